// The operator console. One screen: cases left, map in the middle, the chosen case right.

import { html, render, useEffect, useRef, useState } from '../vendor/htm-preact-3.1.1.js'
import { session as sessionIn } from './api.js'
import { idOf, isDrill, isOpen, isUnacked, makeDesk, ranked } from './desk.js'
import { ago, bearing, clockText, elapsed, has, language, minuteText, number, speak, t } from './i18n.js'
import { cityMap, groundOf } from './map.js'
import { Dialog, Language, Outfit, problemText, SignIn, useModel } from './page.js'
import { enableSound, ring, soundState } from './sound.js'

const LAYERS = ['scanners', 'groups', 'cameras', 'position', 'reach', 'track', 'evidence']
const LINK_SHAPE = { live: '●', polling: '◐', late: '▲', dead: '■' }
const MARKS = ['watching', 'not-seen', 'possible', 'confirmed']
const STEPS = ['reported', 'acknowledged', 'searching', 'sighted', 'secured', 'closed']
const ALARM_EVERY_MS = 3000

const stateShape = (item) => (!isOpen(item) ? '✔' : isUnacked(item) ? '▲' : '◆')
const stateWord = (item) => (isUnacked(item) ? t('console.unacked') : t(`console.state.${item.state}`))
const who = ({ subject }) =>
  [
    subject.name || t('console.no_name'),
    t('common.age', { n: subject.age_y }),
    has(`common.sex.${subject.sex}`) && t(`common.sex.${subject.sex}`),
  ]
    .filter(Boolean)
    .join(' · ')
const place = (item) => item.facility?.name ?? t('console.neighbour_case')
const caseNo = (item) => item.case_id.slice(-6).toUpperCase()
const lasted = (item, now) => {
  const end = item.clock.T12 || item.clock.T14
  return ((end ? Date.parse(end) : now) - Date.parse(item.clock.T4 ?? item.opened_at)) / 1000
}

function Top({ desk, state, onLanguage, onRoster }) {
  const link = desk.health()
  const [sound, setSound] = useState(soundState())
  const drill = [...state.cases.values()].some((item) => isDrill(item) && isOpen(item))
  const real = [...state.cases.values()].some((item) => !isDrill(item) && isOpen(item))
  useEffect(() => {
    if (link !== 'dead') return undefined
    ring('link')
    const timer = setInterval(() => ring('link'), ALARM_EVERY_MS)
    return () => clearInterval(timer)
  }, [link])
  const since = Math.round((performance.now() - state.word_ms) / 1000)
  return html`<header class="top">
    <h1>${t('console.title', { district: state.district?.name ?? '' })}</h1>
    <p class=${`pill link-${link}`} role="status" data-link=${link}>
      <span aria-hidden="true">${LINK_SHAPE[link]}</span> ${t(`console.link.${link}`, { s: since, ms: state.lag_ms ?? 0 })}
    </p>
    ${drill && html`<p class="pill drill">◇ ${t(real ? 'console.drill_paused' : 'console.drill_mode')}</p>`}
    ${state.faults.length > 0 && html`<p class="pill link-dead" role="alert">${t('console.screen_fault')}</p>`}
    <span class="grow"></span>
    <time class="clock">${clockText(new Date(desk.now()))}</time>
    <button class=${sound === 'on' ? 'quiet' : 'quiet mute'} aria-pressed=${sound === 'on'}
      onClick=${async () => setSound(await enableSound())}>
      ${sound === 'on' ? `♪ ${t('console.sound_on')}` : `✕ ${t('console.sound_off')}`}
    </button>
    <${Language} onChange=${onLanguage} />
    <button class="quiet" onClick=${onRoster}>${desk.me.name || desk.me.actor_id}</button>
  </header>`
}

function CaseRow({ item, chosen, now, onChoose }) {
  const drill = isDrill(item)
  const kind = isUnacked(item) ? 'unacked' : isOpen(item) ? 'active' : 'closed'
  return html`<li>
    <button class=${`case ${kind} ${drill ? 'drill' : ''}`} aria-current=${chosen ? 'true' : undefined}
      data-case=${item.case_id} onClick=${onChoose}>
      <span class="case-who">${who(item)}</span>
      <span class="case-time">${elapsed(lasted(item, now))}</span>
      <span class="case-state">${stateShape(item)} ${drill ? `${t('console.drill')} · ` : ''}${stateWord(item)}${
        item.shared ? ` · ${t('console.shared_with_us')}` : ''
      }</span>
      <span class="case-no">${caseNo(item)}</span>
      <span class="case-place">${place(item)}${item.owner ? ` · ${item.owner_name ?? item.owner}` : ''}</span>
    </button>
  </li>`
}

function Cases({ desk, state, onOffer }) {
  const cases = ranked(state.cases.values())
  const real = cases.filter((item) => !isDrill(item))
  const counts = [
    ['unacked', real.filter(isUnacked).length],
    ['active', real.filter((item) => isOpen(item) && !isUnacked(item)).length],
    ['closed_today', real.filter((item) => !isOpen(item)).length],
  ]
  const offers = state.offers.filter((offer) => offer.state === 'offered')
  return html`<section class="cases" aria-labelledby="cases-title">
    <h2 id="cases-title">${t('console.cases')}</h2>
    <dl class="counts">${counts.map(
      ([name, n]) => html`<div key=${name} class=${name === 'unacked' && n ? 'hot' : ''}>
        <dt>${t(`console.${name}`)}</dt><dd>${n}</dd>
      </div>`,
    )}</dl>
    ${offers.length > 0 &&
    html`<ul class="offers">${offers.map(
      (offer) => html`<li key=${offer.owner_id + offer.case_id} class="offer">
        <p><strong>⇄ ${t('console.offer', { name: offer.owner_name ?? offer.owner_id })}</strong></p>
        <p class="small">${t('console.offer_age', { age: offer.preview?.age_y ?? '–' })}</p>
        <${Outfit} outfit=${offer.preview?.outfit} />
        <div class="row">
          <button class="primary" onClick=${() => onOffer(offer, 'accept')}>${t('console.accept')}</button>
          <button onClick=${() => onOffer(offer, 'decline')}>${t('console.decline')}</button>
        </div>
      </li>`,
    )}</ul>`}
    ${cases.length === 0 && html`<p class="muted empty">${t('console.no_cases')}</p>`}
    <ol class="case-list">${cases.map(
      (item) => html`<${CaseRow} key=${idOf(item)} item=${item} now=${desk.now()}
        chosen=${state.selected === idOf(item)} onChoose=${() => desk.select(idOf(item))} />`,
    )}</ol>
    <${Outings} outings=${state.outings} />
  </section>`
}

const OUTING_ORDER = (outing) => -(outing.departed * 10_000 + outing.warned * 100 + outing.unknown)

function Outings({ outings }) {
  if (!outings.length) return null
  const sorted = [...outings].sort((a, b) => OUTING_ORDER(a) - OUTING_ORDER(b))
  return html`<section class="outings" aria-labelledby="outings-title">
    <h3 id="outings-title">${t('console.outings', { n: outings.length })}</h3>
    <ul>${sorted.slice(0, 12).map((outing) => {
      const kind = outing.departed ? 'bad' : outing.warned || outing.unknown ? 'warn' : 'fine'
      const told = outing.departed ? t('console.gone', { n: outing.departed })
        : outing.warned ? t('console.drifting', { n: outing.warned })
        : outing.unknown ? t('console.unknown', { n: outing.unknown }) : t('console.all_with')
      return html`<li key=${outing.outing_id} class=${kind}>
        <span aria-hidden="true">${{ bad: '▲', warn: '◆', fine: '●' }[kind]}</span>
        <span>${isDrill(outing) ? `[${t('console.drill')}] ` : ''}${outing.facility.name}</span>
        <span>${told} · ${outing.with}/${outing.count}</span>
      </li>`
    })}</ul>
  </section>`
}

function Banner({ desk, waiting, onAck }) {
  const item = waiting[0]
  const policy = desk.state.district?.policy
  useEffect(() => {
    if (!item || isDrill(item)) return undefined
    ring()
    const timer = setInterval(ring, ALARM_EVERY_MS)
    return () => clearInterval(timer)
  }, [item?.case_id])
  if (!item) return null
  const drill = isDrill(item)
  const waited_s = (desk.now() - Date.parse(item.opened_at)) / 1000
  const left_s = Math.ceil((policy?.duty_officer_s ?? 60) - waited_s)
  const known = item.last?.heard ?? item.last?.seen ?? item.last?.reported
  return html`<section class=${`banner ${drill ? 'drill' : ''}`} role="alert" data-alert=${item.case_id}>
    <span class="banner-shape" aria-hidden="true">${drill ? '◇' : '▲'}</span>
    <div>
      <h2>${drill ? `[${t('console.drill')}] ` : ''}${t('console.reported')}</h2>
      <p>${place(item)} · ${who(item)}${known ? ` · ${t('console.radius', { m: Math.round(known.radius_m) })}` : ''}</p>
      <p>${left_s > 0 ? t('console.escalates_in', { s: left_s }) : t('console.escalated')}${
        waiting.length > 1 ? ` · ${t('console.more_waiting', { n: waiting.length - 1 })}` : ''
      }</p>
    </div>
    <button class="ack" onClick=${() => onAck(item)}>${t('console.acknowledge')} <kbd>F2</kbd></button>
  </section>`
}

function Ground({ desk, state, item, detail, layers, replay, camera, onCamera }) {
  const node = useRef(null)
  const view = useRef(null)
  useEffect(() => {
    const made = cityMap(node.current, { onFault: desk.fault })
    view.current = made
    const stop = desk.onFrame(made.frame)
    const watch = new ResizeObserver(made.resized)
    watch.observe(node.current)
    const still = groundOf(desk.me.tenant_id, made.ground)
    return () => {
      still()
      stop()
      watch.disconnect()
      made.remove()
    }
  }, [])
  useEffect(() => {
    if (state.district) view.current.district(state.district)
  }, [state.district])
  const at = detail?.position
  const looked = useRef(null)
  useEffect(() => {
    if (!item || !at || looked.current === idOf(item)) return
    looked.current = idOf(item)
    view.current.look(at.lat, at.lon)
  }, [item, at])
  const now = desk.now()
  const evidence = {}
  for (const kind of ['seen', 'reported']) {
    const found = item?.last?.[kind]
    if (found) {
      const label = `${t(`console.kind.${kind}`)} · ${ago((now - Date.parse(found.at)) / 1000)}`
      evidence[kind] = { ...found, label }
    }
  }
  view.current?.show({
    layers,
    now: desk.now,
    scanners: state.scanners,
    position: item ? at : null,
    positionLabel: at && ago((now - at.at_ms) / 1000),
    track: item ? detail?.track : [],
    cameras: item && isOpen(item) ? detail?.cameras : [],
    evidence,
    replay,
    camera,
    onCamera,
  })
  return html`<div class="map" ref=${node} role="region" aria-label=${t('console.map_label')}></div>
    <div class="zoom">
      <button aria-label=${t('console.zoom_in')} onClick=${() => view.current.zoom(1)}>+</button>
      <button aria-label=${t('console.zoom_out')} onClick=${() => view.current.zoom(-1)}>−</button>
      <button aria-label=${t('console.zoom_case')} disabled=${!at} onClick=${() => view.current.look(at.lat, at.lon)}>◎</button>
      <button aria-label=${t('console.zoom_district')} onClick=${() => view.current.district(state.district)}>▣</button>
    </div>`
}

function Legend({ state, layers, onLayers }) {
  const alive = state.scanners.filter((s) => !s.dark).length
  const counts = { scanners: `${number(alive)}/${number(state.scanners.length)}`, groups: number(state.outings.length) }
  return html`<details class="legend" open>
    <summary>${t('console.layers')}</summary>
    ${LAYERS.map(
      (name) => html`<label key=${name}>
        <input type="checkbox" checked=${layers[name] !== false}
          onChange=${(event) => onLayers({ ...layers, [name]: event.currentTarget.checked })} />
        <span class=${`key key-${name}`} aria-hidden="true"></span>${t(`console.layer.${name}`)}
        ${counts[name] ? html`<span class="muted">${counts[name]}</span>` : ''}
      </label>`,
    )}
  </details>`
}

function Replay({ track, replay, onReplay }) {
  if (!track || track.length < 2) return null
  const last = track.length - 1
  const index = replay ? replay.index : last
  const shown = replay ? minuteText(new Date(track[index].at)) : t('console.now')
  return html`<div class="replay">
    <label for="replay">${t('console.replay')}</label>
    <input id="replay" type="range" min="0" max=${last} value=${index} aria-valuetext=${shown}
      onInput=${(event) => {
        const next = Number(event.currentTarget.value)
        onReplay(next === last ? null : { index: next })
      }} />
    <output>${replay ? clockText(new Date(track[index].at)) : shown}</output>
    <button disabled=${!replay} onClick=${() => onReplay(null)}>${t('console.now')}</button>
  </div>`
}

function Card({ desk, item, detail }) {
  const now = desk.now()
  const at = detail?.position
  const last = item.last ?? {}
  return html`<section class="card" aria-labelledby="card-title">
    <h2 id="card-title">${isDrill(item) ? `[${t('console.drill')}] ` : ''}${who(item)}</h2>
    <p class="muted">${t('console.case_no', { no: caseNo(item) })} · ${
      item.owner ? t('console.owner', { name: item.owner_name ?? item.owner }) : t('console.no_owner')
    }</p>
    <dl>
      <dt>${t('console.from')}</dt><dd>${place(item)}${item.subject.bag_no ? ` · ${t('console.bag', { no: item.subject.bag_no })}` : ''}</dd>
      <dt>${t('console.outfit')}</dt><dd><${Outfit} outfit=${item.subject.outfit} /></dd>
      <dt>${t('console.beacon_position')}</dt>
      <dd>${at
        ? html`<strong>${ago((now - at.at_ms) / 1000)}</strong> · ${t('console.radius95', {
            m: Math.round(at.ellipse95.semi_major_m),
          })}<br /><span class="muted">${t('console.heard_by', { n: at.heard.length, silent: at.silent.length })}${
            has(`fix.${at.reason}`) ? ` · ${t(`fix.${at.reason}`, { n: at.heard.length })}` : ''
          }</span>`
        : html`<span class="muted">${t('console.no_position')}</span>`}</dd>
      ${['seen', 'reported'].map(
        (kind) =>
          last[kind] &&
          html`<dt key=${kind}>${t(`console.kind.${kind}`)}</dt>
            <dd>${ago((now - Date.parse(last[kind].at)) / 1000)} · ${t('console.radius', {
              m: Math.round(last[kind].radius_m),
            })}${last[kind].confirmed ? ` · ${t('console.confirmed')}` : ''}</dd>`,
      )}
    </dl>
  </section>`
}

function Steps({ item }) {
  const passed = {
    reported: item.clock.T4,
    acknowledged: item.clock.T5,
    searching: item.clock.T6 || item.clock.T7 || item.clock.T8,
    sighted: item.clock.T7 || item.clock.T8,
    secured: item.clock.T12,
    closed: item.clock.T14,
  }
  return html`<ol class="steps" aria-label=${t('console.steps')}>${STEPS.map(
    (step) => html`<li key=${step} class=${passed[step] ? 'done' : ''}>
      <span>${t(`console.step.${step}`)}${
        passed[step] ? html`<span class="sr"> ${t('console.done')}</span>` : ''
      }</span>
      <time>${passed[step] ? minuteText(new Date(passed[step])) : '–'}</time>
    </li>`,
  )}</ol>`
}

function Cameras({ desk, item, detail, camera, onCamera }) {
  const cameras = detail?.cameras ?? []
  const mark = (one, name) => desk.act(`${desk.root(item)}/cameras/${one.camera_id}`, { mark: name })
  const keys = (event, one) => {
    const name = MARKS['1234'.indexOf(event.key)]
    if (!name || event.ctrlKey || event.altKey || event.metaKey) return
    event.preventDefault()
    mark(one, name)
  }
  return html`<section aria-labelledby="cameras-title">
    <h3 id="cameras-title">${t('console.cameras')} <span class="muted small">${t('console.camera_keys')}</span></h3>
    ${cameras.length === 0 && html`<p class="muted">${t('console.no_cameras')}</p>`}
    <ol class="cameras">${cameras.map((one, i) => {
      const marked = one.mark?.mark
      return html`<li key=${one.camera_id} class=${`${marked ?? ''} ${camera === one.camera_id ? 'chosen' : ''}`}
        data-camera=${one.camera_id} onKeyDown=${(event) => keys(event, one)} onfocusin=${() => onCamera(one.camera_id)}>
        <span class="badge" aria-hidden="true">${i + 1}</span>
        <div>
          <p><strong>${one.name}</strong> ${number(one.probability * 100)}%${
            marked ? html` <span class="mark">${t(`console.marked.${marked}`)}${one.mark.by_name ? ` · ${one.mark.by_name}` : ''}</span>` : ''
          }</p>
          <p class="muted">${t('console.camera_line', {
            m: Math.round(one.distance_m),
            to: bearing(one.bearing_deg),
          })}${one.arrives_from ? ` · ${t('console.arrives', {
            from: minuteText(new Date(one.arrives_from)),
            to: one.arrives_to ? minuteText(new Date(one.arrives_to)) : '',
          })}` : ''}</p>
          ${one.reason && has(`camera.${one.reason.code}`) && html`<p class="muted">${t(`camera.${one.reason.code}`, one.reason.params)}</p>`}
          <div class="row marks">${MARKS.map(
            (name, k) => html`<button key=${name} aria-pressed=${marked === name}
              aria-label=${`${k + 1} ${t(`console.mark.${name}`)} ${one.name}`} onClick=${() => mark(one, name)}>
              <kbd>${k + 1}</kbd> ${t(`console.mark.${name}`)}
            </button>`,
          )}</div>
        </div>
      </li>`
    })}</ol>
  </section>`
}

// Who heard nothing although alive: that shrinks the search as much as a sighting.
function Silent({ desk, state, detail }) {
  const at = detail?.position
  if (!at?.silent?.length) return null
  const known = new Map(state.scanners.map((scanner) => [scanner.scanner_id, scanner]))
  return html`<details class="silent">
    <summary>${t('console.silent', { n: at.silent.length })}</summary>
    <ul>${at.silent.slice(0, 20).map((id) => {
      const beat = known.get(id)?.heartbeat_at
      return html`<li key=${id}>${id} <span class="muted">${
        beat ? t('console.heartbeat', { ago: ago((desk.now() - Date.parse(beat)) / 1000) }) : t('common.never')
      }</span></li>`
    })}</ul>
  </details>`
}

function Timeline({ detail }) {
  const lines = [...(detail?.timeline ?? [])].reverse()
  return html`<section aria-labelledby="timeline-title">
    <h3 id="timeline-title">${t('console.timeline')}</h3>
    <ol class="timeline">${lines.map(
      (line) => html`<li key=${line.seq}>
        <time>${clockText(new Date(line.at))}</time>
        <span>${sentence(line)}${line.params?.late ? html` <span class="late">${t('console.late')}</span>` : ''}</span>
      </li>`,
    )}</ol>
  </section>`
}

const readable = (params) => {
  const shown = { ...params }
  for (const [name, value] of Object.entries(params)) {
    if (has(`common.value.${value}`)) shown[name] = t(`common.value.${value}`)
  }
  return shown
}
const sentence = (line) =>
  has(`timeline.${line.code}`) ? t(`timeline.${line.code}`, { actor: line.actor_name ?? line.actor, ...readable(line.params ?? {}) }) : line.code

const SHARE_SHAPE = { offered: '○', accepted: '●', declined: '✕', revoked: '✕', expired: '✕' }

function Shares({ desk, item, detail }) {
  const shares = detail?.shares ?? []
  if (!shares.length) return null
  const names = new Map((desk.state.district?.neighbours ?? []).map((one) => [one.neighbour_id, one.name]))
  return html`<section aria-labelledby="shares-title">
    <h3 id="shares-title">${t('console.shares')}</h3>
    <ul class="shares">${shares.map(
      (share) => html`<li key=${share.neighbour_id}>
        <span>${names.get(share.neighbour_id) ?? share.neighbour_id}</span>
        <span>${SHARE_SHAPE[share.state]} ${t(`console.share.${share.state}`)}</span>
        ${['offered', 'accepted'].includes(share.state) &&
        html`<button onClick=${() => desk.act(`cases/${item.case_id}/shares/${share.neighbour_id}/revoke`)}>${t('console.revoke')}</button>`}
      </li>`,
    )}</ul>
  </section>`
}

function Actions({ desk, item, onAsk, onAck }) {
  if (item.shared) return html`<footer class="actions"><p class="muted">${t('console.read_only')}</p></footer>`
  if (!isOpen(item)) {
    return html`<footer class="actions"><p>✔ ${t('console.closed_as', {
      reason: t(`console.reason.${item.close_reason}`),
    })}</p><button onClick=${() => onAsk('reopen')}>${t('console.reopen')}</button></footer>`
  }
  const late = !item.clock.T9 && !isDrill(item) &&
    (desk.now() - Date.parse(item.clock.T4)) / 1000 > (desk.state.district?.policy.police_prompt_s ?? 60)
  return html`<footer class="actions">
    ${item.owner
      ? html`<p class="owned">✔ ${t('console.acknowledged_by', { name: item.owner_name ?? item.owner })}</p>`
      : html`<button class="ack wide" onClick=${() => onAck(item)}>${t('console.acknowledge')} <kbd>F2</kbd></button>`}
    ${late && html`<p class="late-police" role="status">▲ ${t('console.police_missing')}</p>`}
    <div class="grid">
      <button onClick=${() => onAsk('police')}>${item.clock.T9 ? '✔ ' : ''}${t('console.tell_police')} <kbd>F4</kbd></button>
      <button onClick=${() => onAsk('escalate')}>${t('console.escalate')} <kbd>F7</kbd></button>
      <button onClick=${() => onAsk('share')}>${t('console.share_out')} <kbd>F8</kbd></button>
      <button onClick=${() => onAsk('secured')}>${item.clock.T12 ? t('console.hand_to_guardian') : t('console.secured')}</button>
      <button class="danger wide" onClick=${() => onAsk('close')}>${t('console.close')} <kbd>F10</kbd></button>
    </div>
  </footer>`
}

const REASONS = ['found', 'false-alarm', 'bag-only', 'incomplete']

const FORMS = [['html', 'text/html'], ['json', 'application/json'], ['cap', 'application/cap+xml'], ['geojson', 'application/geo+json']]

// The hand-over to save or print, personal links to it, and who got which version.
function HandOver({ desk, item }) {
  const path = `cases/${item.case_id}`
  const [got, setGot] = useState([])
  const [note, setNote] = useState('')
  const load = () => desk.read(`${path}/deliveries`).then((told) => setGot(told.deliveries), () => {})
  useEffect(() => void load(), [item.version])
  const save = async ([form, type]) => {
    try {
      const text = await desk.read(form === 'json' ? `${path}/hand-over` : `${path}/hand-over.${form}`, { raw: true })
      const link = document.createElement('a')
      link.href = URL.createObjectURL(new Blob([text], { type }))
      link.download = `hand-over-${item.case_id}.${form === 'cap' ? 'xml' : form}`
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
      setNote('')
    } catch (problem) {
      setNote(problemText(problem))
    }
  }
  const link = async (event) => {
    event.preventDefault()
    const made = await desk.act(`${path}/links`, { to: event.currentTarget.elements.officer.value.trim() })
    if (made) setNote(new URL(made.link.path.replace(/^\//, ''), document.baseURI).href)
  }
  return html`<section aria-labelledby="handover-title">
    <h3 id="handover-title">${t('console.handover')}</h3>
    <div class="row">${FORMS.map((form) => html`<button key=${form[0]} type="button" onClick=${() => save(form)}>${t(`console.handover_form.${form[0]}`)}</button>`)}</div>
    ${!isDrill(item) && html`<form class="row" onSubmit=${link}><label>${t('console.officer')}<input name="officer" required maxlength="64" /></label><button>${t('console.make_link')}</button></form>`}
    <p role="status" class="small">${note}</p>
    <ul class="small">${got.map((one) => html`<li key=${one.seq}>${clockText(new Date(one.at))} · v${one.version} → ${one.to} (${has(`common.value.${one.channel}`) ? t(`common.value.${one.channel}`) : one.channel})${one.receipt ? ` · ${one.receipt}` : ''}</li>`)}</ul>
  </section>`
}

function Ask({ what, desk, item, onClose }) {
  const path = `cases/${item.case_id}`
  const send = async (event, route, body) => {
    event?.preventDefault()
    if (await desk.act(`${path}/${route}`, body)) onClose()
  }
  const cancel = html`<button type="button" onClick=${onClose}>${t('common.cancel')}</button>`
  const problem = desk.state.problem
  const trouble = problem && html`<p class="problem" role="alert">${problemText(problem)}</p>`
  if (what === 'police') {
    return html`<${Dialog} title=${t('console.tell_police')} onClose=${onClose}>
      <form onSubmit=${(e) => send(e, 'police', { receipt_no: e.currentTarget.elements.receipt.value.trim(), channel: '112-call' })}>
        <p>${t(isDrill(item) ? 'console.police_drill' : 'console.police_law')}</p>
        <label>${t('console.receipt_no')}<input name="receipt" required maxlength="40" autofocus /></label>
        ${trouble}<div class="row"><button class="primary">${t('console.record')}</button>${cancel}</div>
      </form>
      <${HandOver} desk=${desk} item=${item} />
    </${Dialog}>`
  }
  if (what === 'reopen') {
    return html`<${Dialog} title=${t('console.reopen')} onClose=${onClose}>
      <p>${t('console.reopen_what')}</p>${trouble}
      <div class="row"><button class="primary" onClick=${() => send(null, 'reopen', {})}>${t('console.reopen')}</button>${cancel}</div>
    </${Dialog}>`
  }
  if (what === 'share') {
    const neighbours = desk.state.district?.neighbours ?? []
    return html`<${Dialog} title=${t('console.share_out')} onClose=${onClose}>
      <p>${t(neighbours.length ? 'console.share_law' : 'console.no_agreement')}</p>${trouble}
      <div class="stack">${neighbours.map(
        (one) => html`<button key=${one.neighbour_id} class="primary"
          onClick=${() => send(null, 'shares', { neighbour_id: one.neighbour_id })}>${one.name ?? one.neighbour_id}</button>`,
      )}</div>
      <div class="row">${cancel}</div>
    </${Dialog}>`
  }
  if (what === 'escalate') {
    return html`<${Dialog} title=${t('console.escalate')} onClose=${onClose}>
      <p>${t('console.escalate_what')}</p>${trouble}
      <div class="row"><button class="primary" onClick=${() => send(null, 'escalate', {})}>${t('console.escalate')}</button>${cancel}</div>
    </${Dialog}>`
  }
  if (what === 'secured' && item.clock.T12) {
    return html`<${Dialog} title=${t('console.hand_to_guardian')} onClose=${onClose}>
      <p>${t('console.guardian_check')}</p>${trouble}
      <div class="row"><button class="primary" onClick=${() => send(null, 'guardian', {})}>${t('console.record')}</button>${cancel}</div>
    </${Dialog}>`
  }
  if (what === 'secured') {
    return html`<${Dialog} title=${t('console.secured')} onClose=${onClose}>
      <p>${t('console.secured_by')}</p>${trouble}
      <div class="stack">${['police', 'teacher', 'citizen'].map(
        (by) => html`<button key=${by} class="primary" onClick=${() => send(null, 'secured', { by })}>${t(`common.value.${by}`)}</button>`,
      )}</div>
      <div class="row">${cancel}</div>
    </${Dialog}>`
  }
  const close = (e) => {
    const { reason, note } = e.currentTarget.elements
    send(e, 'close', { reason: reason.value, note: note.value.trim() })
  }
  return html`<${Dialog} title=${t('console.close')} onClose=${onClose} danger>
    <form onSubmit=${close}>
      <fieldset><legend>${t('console.close_reason')}</legend>${REASONS.map(
        (reason) => html`<label key=${reason} class="choice">
          <input type="radio" name="reason" value=${reason} required disabled=${reason === 'found' && !item.clock.T12} />
          ${t(`console.reason.${reason}`)}${reason === 'found' && !item.clock.T12 ? html` <span class="muted">${t('console.secure_first')}</span>` : ''}
        </label>`,
      )}</fieldset>
      <label>${t('console.close_note')}<textarea name="note" required rows="3" maxlength="500"></textarea></label>
      ${trouble}<div class="row"><button class="danger">${t('console.close')}</button>${cancel}</div>
    </form>
  </${Dialog}>`
}

function Console({ desk, onLanguage, onOut }) {
  const state = useModel(desk)
  const [layers, setLayers] = useState({})
  const [replay, setReplay] = useState(null)
  const [camera, setCamera] = useState(null)
  const [asking, setAsking] = useState(null)
  const cases = ranked(state.cases.values())
  const item = state.cases.get(state.selected)
  const detail = state.details[state.selected]
  const waiting = cases.filter((one) => isUnacked(one) && !one.shared)
  const drillOpen = cases.some((one) => isDrill(one) && isOpen(one)) && !cases.some((one) => !isDrill(one) && isOpen(one))
  const ack = async (one) => {
    await desk.act(`cases/${one.case_id}/acknowledge`)
    if (!state.selected || !isOpen(state.cases.get(state.selected) ?? one)) choose(idOf(one))
    else if (waiting.length === 1) choose(idOf(one))
  }
  const choose = (id) => {
    setReplay(null)
    setCamera(null)
    desk.select(id)
  }
  const latest = useRef(null)
  latest.current = { waiting, item, cases, ack, choose, state }
  useEffect(() => {
    const keys = (event) => {
      const it = latest.current
      const open = it.item && isOpen(it.item) && !it.item.shared
      const todo = {
        F2: () => it.waiting[0] && it.ack(it.waiting[0]),
        F4: () => open && setAsking('police'),
        F7: () => open && setAsking('escalate'),
        F8: () => open && setAsking('share'),
        F9: () => {
          const ids = it.cases.map(idOf)
          if (ids.length) it.choose(ids[(ids.indexOf(it.state.selected) + 1) % ids.length])
        },
        F10: () => open && setAsking('close'),
      }[event.key]
      if (!todo || event.ctrlKey || event.altKey || event.metaKey) return
      event.preventDefault()
      if (!document.querySelector('dialog[open]')) todo()
    }
    addEventListener('keydown', keys)
    return () => removeEventListener('keydown', keys)
  }, [])
  useEffect(() => {
    if (!state.selected && cases.length) choose(idOf(cases[0]))
  }, [cases.length])
  return html`<div class=${`desk ${drillOpen ? 'in-drill' : ''}`}>
    <${Top} desk=${desk} state=${state} onLanguage=${onLanguage} onRoster=${onOut} />
    <main>
      <${Cases} desk=${desk} state=${{ ...state, selected: state.selected }}
        onOffer=${(offer, verb) => desk.act(`offers/${offer.owner_id}/${offer.case_id}/${verb}`)} />
      <section class="centre" aria-label=${t('console.map')}>
        <${Ground} desk=${desk} state=${state} item=${item} detail=${detail} layers=${layers} replay=${replay}
          camera=${camera} onCamera=${setCamera} />
        <${Banner} desk=${desk} waiting=${waiting} onAck=${ack} />
        <${Legend} state=${state} layers=${layers} onLayers=${setLayers} />
        <${Replay} track=${detail?.track} replay=${replay} onReplay=${setReplay} />
        ${state.problem && !asking && html`<p class="toast" role="alert">${problemText(state.problem)}
          <button onClick=${desk.dismiss}>${t('common.ok')}</button></p>`}
      </section>
      <aside class="detail" aria-label=${t('console.detail')}>
        ${item
          ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('console.detail')}>
                <${Card} desk=${desk} item=${item} detail=${detail} />
                <${Steps} item=${item} />
                ${isOpen(item) && html`<${Cameras} desk=${desk} item=${item} detail=${detail} camera=${camera} onCamera=${setCamera} />`}
                <${Silent} desk=${desk} state=${state} detail=${detail} />
                ${!item.shared && html`<${Timeline} detail=${detail} /><${Shares} desk=${desk} item=${item} detail=${detail} />`}
              </div>
              <${Actions} desk=${desk} item=${item} onAsk=${setAsking} onAck=${ack} />`
          : html`<p class="muted empty">${t('console.choose')}</p>`}
      </aside>
    </main>
    ${drillOpen && html`<p class="drill-tape" aria-hidden="true">${`${t('console.drill')} · `.repeat(9)}</p>`}
    ${asking && item && html`<${Ask} what=${asking} desk=${desk} item=${item} onClose=${() => (setAsking(null), desk.dismiss())} />`}
    ${!state.ready && html`<p class="loading">${state.problem ? problemText(state.problem) : t('common.loading')}</p>`}
  </div>`
}

function App({ session }) {
  const [, turn] = useState(0)
  const [desk, setDesk] = useState(null)
  const again = () => turn((n) => n + 1)
  useEffect(() => {
    if (desk || !session.actor) return
    const made = makeDesk(session)
    made.start()
    setDesk(made)
  })
  useEffect(() => session.onLost(() => (desk?.stop(), setDesk(null))), [desk])
  useEffect(() => {
    document.title = t('console.page_title')
  }, [language])
  if (!session.actor) {
    const done = () => (enableSound(), again())
    return html`<${SignIn} session=${session} title=${t('console.page_title')} onDone=${done} onLanguage=${again} />`
  }
  return desk && html`<${Console} desk=${desk} onLanguage=${again} onOut=${session.signOut} />`
}

await speak()
render(html`<${App} session=${sessionIn(sessionStorage)} />`, document.getElementById('app'))
