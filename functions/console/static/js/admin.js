// Plain tables for who runs the system: scanners, agreements, refused messages, accesses, figures.

import { html, render, useEffect, useState } from '../vendor/htm-preact-3.1.1.js'
import { session as sessionIn } from './api.js'
import { ago, clockText, number, speak, t } from './i18n.js'
import { Language, problemText, SignIn } from './page.js'

const time = (iso) => (iso ? clockText(new Date(iso)) : t('common.never'))
const day = (iso) => iso.slice(0, 10)

function figures({ cases }) {
  return ['real', 'drill'].map((kind) => {
    const mine = cases.filter((item) => (item.status === 'Actual') === (kind === 'real') && item.close_reason !== 'false-alarm')
    const took = mine
      .filter((item) => item.clock.T12)
      .map((item) => (Date.parse(item.clock.T12) - Date.parse(item.clock.T4)) / 60_000)
      .sort((a, b) => a - b)
    const at = (share) => took[Math.min(took.length - 1, Math.ceil(share * took.length) - 1)]
    const shown = (value) => (value === undefined ? '–' : t('admin.minutes', { n: number(value, 1) }))
    return [
      t(`admin.${kind}`), number(took.length), shown(took.length ? at(0.5) : undefined), shown(took.length ? at(0.9) : undefined),
      shown(took.at(-1)), t('admin.not_secured', { n: mine.length - took.length }),
    ]
  })
}

// name → where it comes from, its columns, and a row of cells (a pair is [text, kind]).
const TABLES = {
  scanners: ['scanners', ['id', 'state', 'heartbeat', 'height', 'offset', 'spread'], ({ scanners }) =>
    [...scanners].sort((a, b) => b.dark - a.dark).map((s) => [
      s.scanner_id, s.dark ? [`✕ ${t('admin.dark')}`, 'bad'] : [`● ${t('admin.alive')}`, 'good'],
      s.age_s == null ? t('common.never') : ago(s.age_s), `${number(s.height_m, 1)} m`, `${number(s.offset_db, 1)} dB`, `${number(s.sd_db, 1)} dB`,
    ])],
  cameras: ['cameras', ['id', 'name', 'bearing', 'range'], ({ cameras }) =>
    cameras.map((c) => [c.camera_id, c.name, `${number(c.heading_deg)}° / ${number(c.field_of_view_deg)}°`, `${number(c.range_m)} m`])],
  agreements: ['district', ['name', 'fields', 'until'], ({ neighbours }) =>
    neighbours.map((n) => [n.name || n.neighbour_id, n.fields.map((field) => t(`admin.field.${field}`)).join(', '), day(n.until)])],
  quarantine: ['quarantine', ['received', 'thing', 'reason'], ({ messages }) =>
    messages.map((m) => [time(m.received_at), m.thing, m.reason])],
  kpi: ['cases', ['status', 'secured', 'median', 'p90', 'max', 'open'], figures],
}

function Table({ session, name }) {
  const [found, setFound] = useState(null)
  useEffect(() => {
    setFound(null)
    session.api(TABLES[name][0]).then((answer) => setFound({ answer }), (problem) => setFound({ problem }))
  }, [name])
  const [, columns, rows] = TABLES[name]
  if (!found) return html`<p class="muted">${t('common.loading')}</p>`
  if (found.problem) return html`<p role="status">${problemText(found.problem)}</p>`
  const lines = rows(found.answer)
  return html`<h2>${t(`admin.${name}`)}</h2>
    ${name === 'kpi' && html`<p class="muted">${t('admin.to_find')}</p>`}
    ${lines.length === 0 ? html`<p class="muted">${t('admin.none')}</p>` : html`<div class="table" tabindex="0" role="region" aria-label=${t(`admin.${name}`)}>
      <table><thead><tr>${columns.map((column) => html`<th key=${column} scope="col">${t(`admin.column.${column}`)}</th>`)}</tr></thead>
        <tbody>${lines.map((cells, i) => html`<tr key=${i}>${cells.map((cell, k) => html`<td key=${k} class=${Array.isArray(cell) ? cell[1] : ''}>${Array.isArray(cell) ? cell[0] : cell}</td>`)}</tr>`)}</tbody>
      </table></div>`}`
}

function App({ session }) {
  const [, turn] = useState(0)
  const [name, setName] = useState('scanners')
  const again = () => turn((n) => n + 1)
  useEffect(() => session.onLost(again), [])
  if (!session.actor) return html`<${SignIn} session=${session} title=${t('admin.page_title')} onDone=${again} onLanguage=${again} />`
  return html`<div class="admin">
    <header><h1>${t('admin.page_title')}</h1><${Language} onChange=${again} />
      <button onClick=${() => (session.signOut(), again())}>${t('common.sign_out')}</button></header>
    <nav aria-label=${t('admin.page_title')}>${Object.keys(TABLES).map(
      (one) => html`<button key=${one} aria-current=${one === name ? 'page' : undefined} onClick=${() => setName(one)}>${t(`admin.${one}`)}</button>`,
    )}</nav>
    <main><${Table} session=${session} name=${name} /></main>
  </div>`
}

await speak()
render(html`<${App} session=${sessionIn(sessionStorage)} />`, document.getElementById('app'))
