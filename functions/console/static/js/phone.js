// The teacher's phone: one free thumb, two taps to a report, and never "fine" without a reason.

import { html, render, useEffect, useState } from '../vendor/htm-preact-3.1.1.js'
import { session as sessionIn } from './api.js'
import { ago, clockText, has, number, speak, t } from './i18n.js'
import { COLOURS, Dialog, GARMENTS, Language, Outfit, problemText, SignIn, useModel } from './page.js'
import { enableSound, ring } from './sound.js'
import { makeTeacher } from './teacher.js'

const MARK = { with: '✔', warned: '◆', departed: '▲', unknown: '?' }
const ORDER = ['departed', 'warned', 'unknown', 'with']
const BAG_FRESH_S = 30
const ALARM_EVERY_MS = 5000
const at = (iso) => clockText(new Date(iso))

function Head({ outing, drill, onLanguage, children }) {
  return html`<header class=${drill ? 'drill' : ''}>
    <div><h1>${drill ? `[${t('phone.drill')}] ` : ''}${outing ? t('phone.outing') : t('phone.start_title')}</h1>
      <p>${outing?.facility?.name ?? ''}</p></div>
    ${children}
    <${Language} onChange=${onLanguage} />
  </header>`
}

function Clothes({ name, outfit, onSave, onClose, onAll }) {
  const [worn, setWorn] = useState(outfit)
  return html`<${Dialog} title=${`${name} · ${t('phone.outfit_card')}`} onClose=${onClose}>
    ${GARMENTS.map(
      (part) => html`<fieldset key=${part} class="colours"><legend>${t(`common.garments.${part}`)}</legend>
        ${COLOURS.map(
          (colour) => html`<button key=${colour} type="button" class="colour" aria-pressed=${worn[part] === colour}
            aria-label=${t(`common.colours.${colour}`)}
            onClick=${() => setWorn({ ...worn, [part]: worn[part] === colour ? '' : colour })}>
            <span class=${`swatch ${colour}`}></span><span class="colour-name">${t(`common.colours.${colour}`)}</span></button>`,
        )}</fieldset>`,
    )}
    <div class="row"><button class="primary" onClick=${() => (onSave(worn), onClose())}>${t('common.ok')}</button>
      <button onClick=${() => (onAll(worn), onClose())}>${t('phone.same')}</button></div>
  </${Dialog}>`
}

function Start({ teacher, state, onLanguage }) {
  const roster = state.roster ?? []
  const [left, setLeft] = useState(new Set())
  const [outfits, setOutfits] = useState({})
  const [dressing, setDressing] = useState(null)
  const coming = roster.filter((child) => child.consent && !left.has(child.child_id))
  const begin = (status) => {
    enableSound()
    teacher.begin(
      coming.map(({ child_id }) => ({ child_id, outfit: outfits[child_id] ?? {} })),
      status,
    )
  }
  const turn = (id) => {
    const next = new Set(left)
    if (!next.delete(id)) next.add(id)
    setLeft(next)
  }
  return html`<${Head} onLanguage=${onLanguage} />
    <main>
      <h2>${t('phone.roster')}</h2>
      <${Trouble} state=${state} teacher=${teacher} />
      ${!state.roster && html`<p class="muted">${t('common.loading')}</p>`}
      <ul class="members">${roster.map((child) => {
        const heard = child.heard_age_s != null && child.heard_age_s <= BAG_FRESH_S
        return html`<li key=${child.child_id} class=${child.consent ? '' : 'off'}>
          <label class="pick"><input type="checkbox" disabled=${!child.consent}
              checked=${child.consent && !left.has(child.child_id)} onChange=${() => turn(child.child_id)} />
            <span><strong>${child.name}</strong> <span class="muted">${t('phone.bag', { no: child.bag_no })}</span><br />
              <span class=${heard ? 'ok' : 'muted'}>${child.consent
                ? heard ? `✔ ${t('phone.bag_ok', { ago: ago(child.heard_age_s) })}` : `? ${t('phone.bag_quiet')}`
                : t(child.paused ? 'phone.paused' : 'phone.no_consent')}</span></span></label>
          ${child.consent && html`<button class="dress" onClick=${() => setDressing(child)}
            aria-label=${`${child.name} ${t('phone.outfit_card')}`}>${
              GARMENTS.some((part) => outfits[child.child_id]?.[part])
                ? GARMENTS.map((part) => html`<span class=${`swatch ${outfits[child.child_id]?.[part] || 'none'}`}></span>`)
                : t('phone.outfit_card')
            }</button>`}
        </li>`
      })}</ul>
    </main>
    <footer>
      <button class="primary big" disabled=${!coming.length} onClick=${() => begin('Actual')}>${t('phone.start', { n: coming.length })}</button>
      <button class="plain" disabled=${!coming.length} onClick=${() => begin('Exercise')}>◇ ${t('phone.drill_outing')}</button>
    </footer>
    ${dressing && html`<${Clothes} name=${dressing.name} outfit=${outfits[dressing.child_id] ?? {}}
      onClose=${() => setDressing(null)}
      onSave=${(worn) => setOutfits({ ...outfits, [dressing.child_id]: worn })}
      onAll=${(worn) => setOutfits(Object.fromEntries(roster.map(({ child_id }) => [child_id, worn])))} />`}`
}

function Trouble({ state, teacher }) {
  if (state.problem && state.problem.code !== 'offline') {
    return html`<p class="trouble" role="alert">${problemText(state.problem)}</p>`
  }
  if (teacher.stale() && (state.word_ms > 0 || performance.now() > 10_000)) return html`<p class="trouble" role="alert">▲ ${t('phone.stale_long')}</p>`
  return null
}

function Count({ teacher, outing }) {
  const total = outing.members.length
  if (teacher.stale()) {
    const age = teacher.age_s()
    const text = Number.isFinite(age) ? t('phone.stale', { n: Math.round(age) }) : t('phone.state.unknown')
    return html`<section class="count stale" role="status" data-count="unknown">
      <p class="number">–<small>/${total}</small></p><p class="chip">? ${text}</p>
    </section>`
  }
  const of = (name) => outing.members.filter((member) => member.state === name).length
  const [gone, drifting, unknown] = ['departed', 'warned', 'unknown'].map(of)
  const kind = gone ? 'gone' : drifting || unknown ? 'drift' : 'all'
  const chip = [
    gone && `▲ ${t('phone.departed', { n: gone })}`,
    drifting && `◆ ${t('phone.warned', { n: drifting })}`,
    unknown && `? ${t('phone.unknown', { n: unknown })}`,
  ].filter(Boolean)
  return html`<section class=${`count ${kind}`} role="status" data-count=${of('with')}>
    <p class="number">${of('with')}<small>/${total}</small></p>
    <div><p>${t('phone.count', { n: of('with') })}</p>
      <p class="chip">${chip.length ? chip.join(' · ') : `✔ ${t('phone.all_with')}`}</p></div>
  </section>`
}

const why = (member) =>
  has(`departure.${member.reason?.code}`) ? t(`departure.${member.reason.code}`, member.reason.params) : null

// Heard since by somebody other than the group's phones: a pole on the street.
const byPole = (member) => member.age_s != null && (member.reason?.params?.silent_s ?? 0) > member.age_s + 2

function Member({ teacher, member }) {
  const state = teacher.stale() ? 'unknown' : member.state
  const item = teacher.caseOf(member.child_id)
  const waiting = teacher.state.outbox.some((report) => report.child_id === member.child_id)
  const shown = item ? 'reported' : state
  return html`<li class=${`member ${shown}`} data-child=${member.child_id} data-state=${state}>
    <span class="mark" aria-hidden="true">${item ? '▲' : MARK[state]}</span>
    <div><p><strong>${member.name}</strong> <span class="muted">${t('phone.bag', { no: member.bag_no })}</span></p>
      <p class="muted">${item || waiting ? t('phone.case_open') : t(member.paused ? 'phone.paused' : `phone.state.${state}`)}${
        member.age_s != null && state !== 'with' ? ` · ${t('phone.alarm_last', { ago: ago(member.age_s) })}` : ''
      }${member.answer && state === 'departed' ? ` · ${t(`phone.answered.${member.answer}`)}` : ''}</p></div>
    ${item
      ? html`<button onClick=${() => teacher.show(item.case_id)}>${t('phone.menu')}</button>`
      : state !== 'with' && !waiting && html`<button class="report-one" aria-label=${`${member.name} ${t('phone.report')}`}
          onClick=${() => teacher.report(member.child_id)}>${t('phone.report_short')}</button>`}
  </li>`
}

function Outing({ teacher, state, onLanguage }) {
  const [asking, setAsking] = useState(null)
  const { outing } = state
  const members = [...outing.members].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
  const gone = teacher.stale() ? [] : members.filter((m) => m.state === 'departed' && !teacher.caseOf(m.child_id))
  const silent = outing.phones.filter((phone) => !phone.watching)
  const all = outing.phones.length > 0 && silent.length === outing.phones.length
  useWakeLock()
  // One departed child is the one; else the teacher says which. It never guesses.
  const report = () => (gone.length === 1 ? teacher.report(gone[0].child_id) : setAsking('who'))
  return html`<${Head} outing=${outing} drill=${outing.status !== 'Actual'} onLanguage=${onLanguage}>
      <button onClick=${() => setAsking('end')}>${t('phone.end')}</button>
    </${Head}>
    <main>
      <${Count} teacher=${teacher} outing=${outing} />
      <${Trouble} state=${state} teacher=${teacher} />
      ${!teacher.stale() && all && html`<p class="trouble" role="alert"><strong>▲ ${t('phone.stopped')}</strong><br />${t('phone.stopped_all')}</p>`}
      ${!teacher.stale() && !all && silent.map((phone) => html`<p key=${phone.phone_id} class="caution" role="status">◆ ${t(
        'phone.stopped_who', { name: phone.teacher, s: Math.round(phone.age_s ?? 0) })}</p>`)}
      ${state.outbox.length > 0 && html`<p class="trouble" role="status">${t('phone.unsent', { n: state.outbox.length })}</p>`}
      <ul class="members">${members.map((member) => html`<${Member} key=${member.child_id} teacher=${teacher} member=${member} />`)}</ul>
      <${Push} teacher=${teacher} phones=${outing.phones} />
    </main>
    <footer>
      <button class="alarm big" onClick=${report}>${t('phone.report')}</button>
      <p class="small">${t('phone.report_what')}</p>
    </footer>
    ${asking === 'who' && html`<${Dialog} title=${t('phone.pick')} onClose=${() => setAsking(null)} danger>
      <ul class="stack">${members.filter((m) => !teacher.caseOf(m.child_id)).map((member) => html`<li key=${member.child_id}>
        <button class="wide" onClick=${() => (setAsking(null), teacher.report(member.child_id))}>
          <strong>${member.name}</strong> ${t('phone.bag', { no: member.bag_no })}</button></li>`)}</ul>
      <button onClick=${() => setAsking(null)}>${t('common.cancel')}</button>
    </${Dialog}>`}
    ${asking === 'end' && html`<${End} teacher=${teacher} outing=${outing} onClose=${() => setAsking(null)} />`}`
}

// Which of the group's phones this one is, said once; then alarms reach it in a pocket too.
function Push({ teacher, phones }) {
  const [on, setOn] = useState(typeof Notification === 'function' && Notification.permission === 'granted')
  const [asking, setAsking] = useState(false)
  if (!('PushManager' in window) || !phones.length) return null
  if (on) return html`<p class="small muted">● ${t('phone.push_is_on')}</p>`
  const choose = async (phone_id) => {
    setAsking(false)
    setOn(await teacher.push(phone_id))
  }
  return html`<button onClick=${() => (phones.length === 1 ? choose(phones[0].phone_id) : setAsking(true))}>${t('phone.push_on')}</button>
    ${asking && html`<${Dialog} title=${t('phone.push_which')} onClose=${() => setAsking(false)}>
      <ul class="stack">${phones.map((phone) => html`<li key=${phone.phone_id}><button class="wide" onClick=${() => choose(phone.phone_id)}>${phone.teacher}</button></li>`)}</ul>
    </${Dialog}>`}`
}

function End({ teacher, outing, onClose }) {
  const open = outing.members.filter((m) => (teacher.stale() || m.state !== 'with') && !teacher.caseOf(m.child_id))
  const [said, setSaid] = useState({})
  const end = async () => {
    const answers = Object.entries(said).map(([child_id, answer]) => ({ child_id, answer }))
    if (await teacher.end(answers)) onClose()
  }
  return html`<${Dialog} title=${t('phone.end')} onClose=${onClose}>
    <p>${t(open.length ? 'phone.end_decide' : 'phone.end_confirm')}</p>
    ${open.map((member) => html`<fieldset key=${member.child_id}><legend>${member.name}</legend>
      ${[['with-me', 'with_me'], ['left-behind', 'left_behind'], ['bag-only', 'bag_only']].map(
        ([answer, word]) => html`<label key=${answer} class="choice"><input type="radio" name=${member.child_id}
          onChange=${() => setSaid({ ...said, [member.child_id]: answer })} />${t(`phone.${word}`)}</label>`)}
      <button class="report-one" onClick=${() => (onClose(), teacher.report(member.child_id))}>${t('phone.report')}</button>
    </fieldset>`)}
    ${teacher.state.problem && html`<p class="trouble" role="alert">${problemText(teacher.state.problem)}</p>`}
    <div class="row"><button class="primary" disabled=${open.some((m) => !said[m.child_id])} onClick=${end}>${t('phone.end_now')}</button>
      <button onClick=${onClose}>${t('common.cancel')}</button></div>
  </${Dialog}>`
}

function Alarm({ teacher, alarms }) {
  const member = alarms[0]
  const drill = teacher.state.outing.status !== 'Actual'
  useEffect(() => {
    const shake = () => {
      ring()
      if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([400, 150, 400])
    }
    shake()
    const timer = setInterval(shake, ALARM_EVERY_MS)
    document.getElementById('alarm-title')?.focus()
    return () => clearInterval(timer)
  }, [member.child_id])
  return html`<section class=${`full alarm-screen ${drill ? 'drill' : ''}`} role="alertdialog" aria-modal="true"
    aria-labelledby="alarm-title" data-alarm=${member.child_id}>
    <div>
      <h1 id="alarm-title" tabindex="-1">${drill ? `[${t('phone.drill')}] ` : ''}${t('phone.alarm_title', { name: member.name })}</h1>
      <p class="huge">${t('phone.alarm_bag', { no: member.bag_no })}</p>
      <p>${t(byPole(member) ? 'phone.alarm_pole' : 'phone.alarm_last', { ago: ago(member.age_s) })}</p>
      ${why(member) && html`<p>${why(member)}</p>`}
      <${Outfit} outfit=${member.outfit} />
      ${alarms.length > 1 && html`<p>${t('phone.more_alarms', { n: alarms.length - 1 })}</p>`}
    </div>
    <div class="stack">
      <button class="white big" onClick=${() => teacher.report(member.child_id)}>${t('phone.report')}</button>
      <button class="outline" onClick=${() => teacher.answer(member.child_id, 'searching')}>${t('phone.searching')}</button>
      <button class="outline" onClick=${() => teacher.answer(member.child_id, 'with-me')}>${t('phone.with_me')}</button>
    </div>
  </section>`
}

function Received({ teacher, state }) {
  const { shown } = state
  const item = state.cases.find((one) => one.case_id === shown.case_id)
  const waiting = state.outbox.find((report) => report.key === shown.key)
  const child_id = item?.subject.subject_id ?? waiting?.child_id
  const name = state.outing?.members.find((m) => m.child_id === child_id)?.name ?? item?.subject.name ?? ''
  useEffect(() => document.getElementById('sent-title')?.focus(), [Boolean(item)])
  if (!item) {
    const s = waiting ? Math.max(0, Math.round((teacher.now() - Date.parse(waiting.pressed_at)) / 1000)) : 0
    return html`<section class="full sent" data-sent="waiting">
      <div><h1 id="sent-title" tabindex="-1">${name}</h1>
        <p role="status" class="waiting">◌ ${waiting ? t('phone.waiting', { s, at: at(waiting.pressed_at) }) : ''}</p>
        <p>${t('phone.waiting_help')}</p></div>
      <div class="stack"><a class="white big" href="tel:112">☎ ${t('phone.call_112')}</a>
        <button class="outline" onClick=${() => teacher.cancel(shown)}>${t('common.cancel')}</button>
        <button class="outline" onClick=${() => teacher.show(null)}>${t('phone.back')}</button></div>
    </section>`
  }
  const { clock } = item
  const drill = item.status !== 'Actual'
  const left = item.open && !item.owner ? Math.ceil(teacher.cancellable_s(item)) : 0
  const step = (done, text, key) => html`<li key=${key} class=${done ? 'done' : ''}>${done ? '✔' : '◌'} ${text}</li>`
  return html`<section class=${`full sent ${drill ? 'drill' : ''}`} data-sent=${item.case_id}>
    <div>
      <h1 id="sent-title" tabindex="-1">✔ ${item.open ? t(drill ? 'phone.received_drill' : 'phone.received') : t('phone.closed')}</h1>
      <p class="name">${name}</p>
      <div role="status"><ul class="steps">
        ${step(true, t('phone.step.sent', { at: at(item.opened_at) }), 'sent')}
        ${clock.T5
          ? step(true, t('phone.step.ack', { at: at(clock.T5), name: item.owner_name ?? item.owner }), 'ack')
          : step(false, t('phone.step.ack_wait'), 'ack')}
        ${clock.T6 && step(true, t('phone.step.search', { at: at(clock.T6) }), 'search')}
        ${!drill && (clock.T9 ? step(true, t('phone.step.police', { at: at(clock.T9) }), 'police') : step(false, t('phone.step.police_wait'), 'police'))}
        ${clock.T12 && step(true, t('phone.step.secured', { at: at(clock.T12) }), 'secured')}
      </ul></div>
      ${state.problem && html`<p class="trouble" role="alert">${problemText(state.problem)}</p>`}
      ${teacher.stale() && html`<p class="trouble" role="alert">▲ ${t('phone.stale', { n: Math.round(teacher.age_s()) })}</p>`}
    </div>
    <div class="stack">
      ${!drill && item.open && html`<a class="white big" href="tel:112" onClick=${() => clock.T9 || teacher.called112(item.case_id)}>☎ ${t('phone.call_112')}</a>`}
      ${left > 0 && html`<button class="outline" onClick=${() => teacher.cancel(shown, t('phone.cancelled'))}>${t('phone.cancel_report', { s: number(left) })}</button>`}
      <button class="outline" onClick=${() => teacher.show(null)}>${t('phone.back')}</button>
    </div>
  </section>`
}

function useWakeLock() {
  useEffect(() => {
    let lock = null
    const hold = () => {
      if (document.visibilityState !== 'visible') return
      navigator.wakeLock?.request('screen').then((got) => (lock = got)).catch(() => {})
    }
    hold()
    document.addEventListener('visibilitychange', hold)
    return () => {
      document.removeEventListener('visibilitychange', hold)
      lock?.release()
    }
  }, [])
}

function Phone({ teacher, onLanguage }) {
  const state = useModel(teacher)
  const alarms = teacher.alarms()
  const full = state.shown ? html`<${Received} teacher=${teacher} state=${state} />`
    : alarms.length ? html`<${Alarm} teacher=${teacher} alarms=${alarms} />` : null
  const page = state.outing
    ? html`<${Outing} teacher=${teacher} state=${state} onLanguage=${onLanguage} />`
    : html`<${Start} teacher=${teacher} state=${state} onLanguage=${onLanguage} />`
  return html`<div class="phone" inert=${Boolean(full)}>${page}</div>${full}`
}

function App({ session }) {
  const [, turn] = useState(0)
  const [teacher, setTeacher] = useState(null)
  const again = () => turn((n) => n + 1)
  useEffect(() => {
    if (teacher || !session.actor) return
    const made = makeTeacher(session)
    made.start()
    made.opened(new URLSearchParams(location.search).get('alert'))
    setTeacher(made)
  })
  useEffect(() => session.onLost(() => (teacher?.stop(), setTeacher(null))), [teacher])
  if (!session.actor) {
    const done = () => (enableSound(), again())
    return html`<${SignIn} session=${session} title=${t('phone.page_title')} onDone=${done} onLanguage=${again} />`
  }
  return teacher && html`<${Phone} teacher=${teacher} onLanguage=${again} />`
}

await speak()
addEventListener('pointerdown', () => enableSound(), { once: true })
render(html`<${App} session=${sessionIn(localStorage)} />`, document.getElementById('app'))
navigator.serviceWorker?.register('sw.js')
