// Plain tables for who runs and who checks the system: devices, agreements, drills, figures, requests, notices, accesses.

import { html, render, useEffect, useState } from '../vendor/htm-preact-3.1.1.js'
import { newKey, session as sessionIn } from './api.js'
import { ago, clockText, has, number, speak, t } from './i18n.js'
import { Dialog, Language, problemText, SignIn } from './page.js'

const time = (iso) => (iso ? clockText(new Date(iso)) : t('common.never'))
const day = (iso) => iso.slice(0, 10)
const when = (iso) => (iso ? `${day(iso)} ${time(iso)}` : '–')
const said = (path, fallback) => (has(path) ? t(path) : fallback)
const minutes = (seconds) => (seconds == null ? '–' : t('admin.minutes', { n: number(seconds / 60, 1) }))
const yes = (holds, word) => [`${holds ? '●' : '✕'} ${t(`admin.${word}.${holds}`)}`, holds ? 'good' : 'bad']
const WEEK_AGO = encodeURIComponent(new Date(Date.now() - 7 * 86_400_000).toISOString())
const KINDS = ['scanner-outage', 'wrong-clothing', 'phone-dead', 'second-child', 'border-crossing', 'bag-dropped']

// What may be done with a drill in each state, and who may: name → path and body.
const STEPS = {
  planned: [['start', { report: true }], ['stop', {}]],
  running: [['pause', {}], ['stop', {}]],
  paused: [['resume', {}], ['stop', {}]],
  stopped: [['report']],
}

// name → who sees it, where it comes from, its columns, and rows of cells (a pair is [text, kind]) with what may be done.
const TABLES = {
  scanners: [['admin', 'official', 'operator'], 'scanners', ['id', 'state', 'heartbeat', 'height', 'offset', 'spread'], ({ scanners }) =>
    [...scanners].sort((a, b) => b.dark - a.dark).map((s) => ({ cells: [
      s.scanner_id, s.dark ? [`✕ ${t('admin.dark')}`, 'bad'] : [`● ${t('admin.alive')}`, 'good'],
      s.age_s == null ? t('common.never') : ago(s.age_s), `${number(s.height_m, 1)} m`, `${number(s.offset_db, 1)} dB`, `${number(s.sd_db, 1)} dB`,
    ] }))],
  beacons: [['admin'], (facility) => `facilities/${facility}/beacons`, ['bag', 'id', 'rotating', 'last_heard'], ({ beacons }) =>
    beacons.map((b) => ({ cells: [b.bag_no, b.beacon_id, yes(b.rotating, 'rotates'), b.age_s == null ? t('common.never') : ago(b.age_s)] }))],
  cameras: [['admin', 'official', 'operator'], 'cameras', ['id', 'name', 'bearing', 'range'], ({ cameras }) =>
    cameras.map((c) => ({ cells: [c.camera_id, c.name, `${number(c.heading_deg)}° / ${number(c.field_of_view_deg)}°`, `${number(c.range_m)} m`] }))],
  people: [['admin', 'auditor'], 'people', ['id', 'role', 'facility', 'state'], ({ people }) =>
    people.map((p) => ({ cells: [p.actor_id, p.roles.map((role) => t(`admin.role.${role}`)).join(', '), p.facility_id || '–', yes(p.enabled, 'enabled')] }))],
  agreements: [['admin', 'official', 'operator', 'auditor'], 'agreements', ['name', 'fields', 'signatures', 'until', 'state'], ({ given, received }, { tenant_id, role }) =>
    [...given, ...received].map((a) => ({
      cells: [
        `${a.owner_id} → ${a.neighbour_id}`, a.fields.map((field) => t(`admin.field.${field}`)).join(', '),
        a.signatures.filter((s) => s.holds).map((s) => s.tenant_id).join(', ') || '–', day(a.until), yes(a.in_force, 'in_force'),
      ],
      acts: role === 'official' && !a.signatures.some((s) => s.holds && s.tenant_id === tenant_id)
        ? [['sign', 'agreements/sign', { owner_id: a.owner_id, neighbour_id: a.neighbour_id, terms: a.terms }]] : [],
    }))],
  drills: [['official', 'admin', 'auditor'], 'drills', ['planned', 'facility', 'announced', 'state', 'injects'], ({ drills, duty }, { role }) => [
    ...drills.map((d) => ({
      cells: [
        when(d.planned_at), d.facility_id, yes(d.announced, 'announced'),
        [`◇ [${t('admin.drill')}] ${d.paused_for ? t(`drill.paused.${d.paused_for}`) : t(`admin.drill_state.${d.state}`)}${d.overdue ? ` · ${t('admin.overdue')}` : ''}`, d.paused_for ? 'bad' : ''],
        [...d.script, ...d.injects].map((one) => t(`drill.kind.${one.kind}`)).join(', ') || '–',
      ],
      acts: (STEPS[d.state] ?? []).filter(([name]) => name === 'report' || role !== 'auditor')
        .map(([name, body]) => [name, `drills/${d.drill_id}/${name}`, body]),
      more: d.state === 'running' && role !== 'auditor' ? d : null,
    })),
    { note: t('admin.duty', duty) },
  ]],
  kpi: [['official', 'admin', 'auditor'], 'kpi', ['status', 'cases', 'secured', 'median', 'p90', 'max', 'open'], ({ groups }) =>
    groups.map((g) => {
      const took = g.phases['T12-T4'] ?? {}
      return { cells: [t(`admin.group.${g.group}`), number(g.n), number(took.n ?? 0), minutes(took.median_s), minutes(took.p90_s), minutes(took.max_s), t('admin.not_secured', { n: g.not_secured })] }
    })],
  requests: [['operator', 'official', 'auditor'], 'police/requests', ['received', 'station', 'basis', 'items', 'due', 'state'], ({ requests }) =>
    requests.map((r) => ({ cells: [
      when(r.received_at), r.station, r.article || t(`admin.basis.${r.basis}`), number(r.items.length), when(r.due_at),
      r.answered_at ? [`● ${t('admin.answered')}`, 'good'] : [r.overdue ? `✕ ${t('admin.overdue')}` : `○ ${t('admin.waiting')}`, r.overdue ? 'bad' : ''],
    ] }))],
  notices: [['director', 'official', 'operator', 'auditor'], 'notices', ['received', 'to', 'purpose', 'basis', 'state', 'due'], (told) => [
    ...told.notices.map((n) => ({ cells: [when(n.at), n.to, said(`admin.purpose.${n.purpose}`, n.purpose), n.basis, [t(`admin.notice.${n.state}`), n.state === 'missing' || n.late ? 'bad' : n.state === 'sent' ? 'good' : ''], when(n.due)] })),
    { note: t('admin.reconciled', told) },
  ]],
  quarantine: [['admin'], 'quarantine', ['received', 'thing', 'reason'], ({ messages }) =>
    messages.map((m) => ({ cells: [when(m.received_at), m.thing, said(`quarantine.${m.reason}`, m.reason)] }))],
  access: [['auditor'], `access?since=${WEEK_AGO}`, ['received', 'who', 'whose', 'what', 'purpose', 'basis'], ({ lines }) =>
    lines.map((l) => ({ cells: [when(l.at), `${l.actor_tenant_id} · ${l.actor_id} (${said(`admin.role.${l.role}`, l.role)})`, l.subject_id, l.what, l.purpose, l.basis || l.reason || '–'] })).reverse()],
}

const option = (f) => html`<option key=${f.facility_id} value=${f.facility_id}>${f.name}</option>`

function useFacilities(session, wanted) {
  const [facilities, setFacilities] = useState([])
  useEffect(() => {
    if (wanted) session.api('facilities').then((told) => setFacilities(told.facilities), () => {})
  }, [])
  return facilities
}

function Table({ session, name }) {
  const [found, setFound] = useState(null)
  const [trouble, setTrouble] = useState(null)
  const [report, setReport] = useState(null)
  const [, source, columns, rows] = TABLES[name]
  const perFacility = typeof source === 'function'
  const facilities = useFacilities(session, perFacility)
  const [chosen, setChosen] = useState('')
  const facility = chosen || facilities[0]?.facility_id
  const load = () =>
    session.api(perFacility ? source(facility) : source).then((answer) => setFound({ answer }), (problem) => setFound({ problem }))
  useEffect(() => {
    if (!perFacility || facility) load()
  }, [facility])
  const act = async (path, body) => {
    try {
      if (body === undefined) setReport({ path, told: await session.api(path) })
      else await session.api(path, { method: 'POST', body, key: newKey() })
      setTrouble(null)
    } catch (problem) {
      setTrouble(problem)
    }
    load()
  }
  if (!found) return html`<p class="muted">${t('common.loading')}</p>`
  if (found.problem) return html`<p role="status">${problemText(found.problem)}</p>`
  const lines = rows(found.answer, session.actor)
  const filled = lines.filter((line) => line.cells)
  const shown = (cell, k) => html`<td key=${k} class=${Array.isArray(cell) ? cell[1] : ''}>${Array.isArray(cell) ? cell[0] : cell}</td>`
  return html`<h2>${t(`admin.${name}`)}</h2>
    ${has(`admin.about.${name}`) && html`<p class="muted">${t(`admin.about.${name}`)}</p>`}
    ${lines.filter((line) => line.note).map((line) => html`<p role="status">${line.note}</p>`)}
    ${trouble && html`<p role="alert" class="bad">${problemText(trouble)}</p>`}
    ${perFacility && html`<label>${t('admin.column.facility')}<select onChange=${(e) => setChosen(e.currentTarget.value)}>${facilities.map(option)}</select></label>`}
    ${name === 'drills' && session.actor.role !== 'auditor' && html`<${Plan} session=${session} onPlan=${act} />`}
    ${filled.length === 0 ? html`<p class="muted">${t('admin.none')}</p>` : html`<div class="table" tabindex="0" role="region" aria-label=${t(`admin.${name}`)}>
      <table><thead><tr>${columns.map((column) => html`<th key=${column} scope="col">${t(`admin.column.${column}`)}</th>`)}
        ${filled.some((line) => line.acts) && html`<th scope="col">${t('admin.column.do')}</th>`}</tr></thead>
        <tbody>${filled.map(({ cells, acts, more }, i) => html`<tr key=${i}>${cells.map(shown)}
          ${acts && html`<td class="acts">${acts.map(([word, path, body]) => html`<button key=${word} onClick=${() => act(path, body)}>${t(`admin.do.${word}`)}</button>`)}
            ${more && html`<select aria-label=${t('admin.inject')} onChange=${(e) => act(`drills/${more.drill_id}/injects`, { kind: e.currentTarget.value })}>
              <option value="">${t('admin.inject')}</option>${KINDS.map((kind) => html`<option key=${kind} value=${kind}>${t(`drill.kind.${kind}`)}</option>`)}</select>`}</td>`}</tr>`)}</tbody>
      </table></div>`}
    ${report && html`<${Report} ...${report} onLesson=${act} onClose=${() => setReport(null)} />`}`
}

function Plan({ session, onPlan }) {
  const facilities = useFacilities(session, true)
  const plan = (event) => {
    event.preventDefault()
    const { at, facility, announced, informed } = event.currentTarget.elements
    const injects = KINDS.filter((kind) => event.currentTarget.elements[kind].checked)
    onPlan('drills', {
      planned_at: new Date(at.value).toISOString(), facility_id: facility.value, announced: announced.checked, injects,
      informed: informed.value.split(/[\s,]+/).filter(Boolean),
    })
  }
  return html`<details><summary>${t('admin.plan')}</summary><form class="plan" onSubmit=${plan}>
    <label>${t('admin.column.planned')}<input name="at" type="datetime-local" required /></label>
    <label>${t('admin.column.facility')}<select name="facility" required>${facilities.map(option)}</select></label>
    <label><input name="announced" type="checkbox" checked /> ${t('admin.announced.true')}</label>
    <label>${t('admin.informed')}<input name="informed" /></label>
    <fieldset><legend>${t('admin.column.injects')}</legend>${KINDS.map((kind) => html`<label key=${kind}><input name=${kind} type="checkbox" /> ${t(`drill.kind.${kind}`)}</label>`)}</fieldset>
    <button class="primary">${t('admin.plan')}</button>
  </form></details>`
}

function Report({ path, told, onLesson, onClose }) {
  const lessons = path.replace(/report$/, 'lessons')
  const taken = new Set(told.lessons.map((lesson) => lesson.code))
  const phrase = (params) => ({ ...params, phase: params.phase && said(`report.phase.${params.phase}`, params.phase) })
  return html`<${Dialog} title=${`[${t('admin.drill')}] ${t('admin.do.report')}`} onClose=${onClose}>
    <dl class="clock">${Object.entries(told.clock).map(([point, at]) => html`<div key=${point}><dt>${point}</dt><dd>${time(at)}</dd></div>`)}</dl>
    ${told.missing.length > 0 && html`<p class="muted">${t('drill.missing', { points: told.missing.join(', ') })}</p>`}
    <div class="table" tabindex="0" role="region" aria-label=${t('admin.phases')}><table><thead><tr>${['phase', 'took', 'n', 'median', 'p90'].map((column) => html`<th key=${column} scope="col">${t(`admin.column.${column}`)}</th>`)}</tr></thead>
      <tbody>${Object.entries(told.phases).map(([name, p]) => html`<tr key=${name}><td class=${name === told.slowest ? 'bad' : ''}>${said(`report.phase.${name}`, name)}${name === told.slowest ? ` ▲` : ''}</td>
        <td>${minutes(p.took_s)}</td><td>${number(p.n)}</td><td>${minutes(p.median_s)}</td><td>${minutes(p.p90_s)}</td></tr>`)}</tbody></table></div>
    <ul class="findings">${told.findings.map((finding) => html`<li key=${finding.code}>${t(`drill.lesson.${finding.code}`, phrase(finding.params))}
      ${taken.has(finding.code) ? html` <span class="good">● ${t('admin.taken')}</span>` : html` <button onClick=${() => (onLesson(lessons, { code: finding.code }), onClose())}>${t('admin.do.lesson')}</button>`}</li>`)}</ul>
    <div class="row"><button onClick=${onClose}>${t('common.close')}</button></div>
  </${Dialog}>`
}

function App({ session }) {
  const [, turn] = useState(0)
  const [name, setName] = useState('')
  const again = () => turn((n) => n + 1)
  useEffect(() => session.onLost(again), [])
  if (!session.actor) return html`<${SignIn} session=${session} title=${t('admin.page_title')} onDone=${again} onLanguage=${again} />`
  const mine = Object.keys(TABLES).filter((one) => TABLES[one][0].includes(session.actor.role))
  const chosen = mine.includes(name) ? name : mine[0]
  return html`<div class="admin">
    <header><h1>${t('admin.page_title')}</h1><${Language} onChange=${again} />
      <button onClick=${() => (session.signOut(), again())}>${t('common.sign_out')}</button></header>
    <nav aria-label=${t('admin.page_title')}>${mine.map(
      (one) => html`<button key=${one} aria-current=${one === chosen ? 'page' : undefined} onClick=${() => setName(one)}>${t(`admin.${one}`)}</button>`,
    )}</nav>
    <main>${chosen ? html`<${Table} session=${session} name=${chosen} key=${chosen} />` : html`<p role="status">${t('admin.nothing_here')}</p>`}</main>
  </div>`
}

await speak()
render(html`<${App} session=${sessionIn(sessionStorage)} />`, document.getElementById('app'))
