// A personal link to the police's hand-over: the newest version, when it was made, and that it was received.

import { html, render, useEffect, useLayoutEffect, useRef, useState } from '../vendor/htm-preact-3.1.1.js'
import { newKey, session as sessionIn } from './api.js'
import { ago, clockText, speak, t } from './i18n.js'
import { Language, problemText, SignIn } from './page.js'

const EVERY_MS = 5000
const LATE_S = 15 // without an answer this long, what is shown may be old

const dayText = (date) =>
  new Intl.DateTimeFormat('ko', { timeZone: 'Asia/Seoul', hourCycle: 'h23', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' }).format(date)

// The page's markup comes as text; it is put behind a shadow root, where its styles end and nothing of it runs.
function Sheet({ page }) {
  const node = useRef(null)
  useLayoutEffect(() => {
    const root = node.current.shadowRoot ?? node.current.attachShadow({ mode: 'open' })
    const [block, css] = /<style>([^<]*)<\/style>/.exec(page)
    const read = new DOMParser().parseFromString(page.replace(block, ''), 'text/html')
    const styles = new CSSStyleSheet()
    // on a small screen the sheet keeps its width and scrolls
    styles.replaceSync(`${css.replace(/^html /m, ':host ').replace(/^body /m, '.page ')} .page { min-width: 190mm }`)
    root.adoptedStyleSheets = [styles]
    const body = document.createElement('div')
    body.className = 'page'
    body.append(...read.body.children)
    root.replaceChildren(body)
  }, [page])
  return html`<div class="sheet" ref=${node} tabindex="0" role="region" aria-label=${t('police.title')}></div>`
}

function Opened({ session, link }) {
  const [told, setTold] = useState(null)
  const [problem, setProblem] = useState(null)
  const [heard, setHeard] = useState(Date.now())
  const [now, setNow] = useState(Date.now())
  const take = (answer) => (setTold(answer), setProblem(null), setHeard(Date.now()))
  const fail = (found) => (setProblem(found), found.status === 404 && setTold(null))
  const look = () => session.api(`links/${link}`).then(take, fail)
  useEffect(() => {
    look()
    const timers = [setInterval(look, EVERY_MS), setInterval(() => setNow(Date.now()), 1000)]
    return () => timers.forEach(clearInterval)
  }, [link])
  const receive = () => session.api(`links/${link}/acknowledge`, { method: 'POST', body: {}, key: newKey() }).then(take, fail)
  if (!told) return html`<main><p role="status">${problem ? problemText(problem) : t('common.loading')}</p></main>`
  const late = now - heard > LATE_S * 1000
  const age = (Date.parse(told.now) - Date.parse(told.updated_at) + now - heard) / 1000
  return html`<header>
      <h1>${t('police.title')}</h1>
      <p class=${late ? 'stale' : ''} role="status">${late && `▲ ${t('police.late')} · `}${t('police.updated', { at: clockText(new Date(told.updated_at)), ago: ago(age) })}</p>
      <p>${t('police.ends', { at: dayText(new Date(told.ends_at)) })}</p>
      ${told.acknowledged_at
        ? html`<p>● ${t('police.acknowledged', { at: clockText(new Date(told.acknowledged_at)) })}</p>`
        : html`<button class="primary" onClick=${receive}>${t('police.acknowledge')}</button>`}
      <button onClick=${() => window.print()}>${t('police.print')}</button>
    </header>
    ${problem && html`<p role="alert">${problemText(problem)}</p>`}
    <main><${Sheet} page=${told.page} /></main>`
}

function App({ session }) {
  const [, turn] = useState(0)
  const again = () => turn((n) => n + 1)
  useEffect(() => {
    session.onLost(again)
    addEventListener('hashchange', again)
    return () => removeEventListener('hashchange', again)
  }, [])
  const link = location.hash.slice(1)
  if (!session.actor) return html`<${SignIn} session=${session} title=${t('police.title')} onDone=${again} onLanguage=${again} />`
  return html`<div class="police">
    ${link ? html`<${Opened} session=${session} link=${encodeURIComponent(link)} key=${link} />` : html`<main><p role="status">${t('police.no_link')}</p><${Language} onChange=${again} /></main>`}
  </div>`
}

await speak()
render(html`<${App} session=${sessionIn(sessionStorage)} />`, document.getElementById('app'))
