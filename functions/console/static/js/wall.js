// The wall: for a room that may hold visitors. No photo, no full name, groups instead of children, nothing to press.

import { html, render, useEffect, useRef, useState } from '../vendor/htm-preact-3.1.1.js'
import { session as sessionIn } from './api.js'
import { idOf, isDrill, isOpen, isUnacked, makeDesk, ranked } from './desk.js'
import { clockText, elapsed, has, masked, number, speak, t } from './i18n.js'
import { cityMap, groundOf } from './map.js'
import { Outfit, SignIn, useModel } from './page.js'

const LINK_SHAPE = { live: '●', polling: '◐', late: '▲', dead: '■' }

const who = ({ subject }) =>
  [
    masked(subject.name),
    t('common.age', { n: subject.age_y }),
    has(`common.sex.${subject.sex}`) && t(`common.sex.${subject.sex}`),
  ]
    .filter(Boolean)
    .join(' · ')
const lasted = (item, now) => ((item.clock.T12 ? Date.parse(item.clock.T12) : now) - Date.parse(item.clock.T4)) / 1000
const word = (item) => (isUnacked(item) ? `▲ ${t('console.unacked')}` : `◆ ${t(`console.state.${item.state}`)}`)

function Ground({ desk, state }) {
  const node = useRef(null)
  const view = useRef(null)
  useEffect(() => {
    const made = cityMap(node.current, { onFault: desk.fault, interactive: false })
    view.current = made
    const stop = desk.onFrame(made.frame)
    const still = groundOf(desk.me.tenant_id, made.ground)
    return () => {
      still()
      stop()
      made.remove()
    }
  }, [])
  useEffect(() => {
    if (state.district) view.current.district(state.district)
  }, [state.district])
  // A pilot fills a corner of its district: the wall looks at where there is something to see.
  useEffect(() => {
    view.current.fit(state.scanners.map(({ lat, lon }) => [lat, lon]))
  }, [state.scanners.length])
  view.current?.show({ layers: {}, now: desk.now, scanners: state.scanners })
  return html`<div class="map" ref=${node} aria-hidden="true"></div>`
}

function Wall({ desk }) {
  const state = useModel(desk)
  const link = desk.health()
  const cases = ranked(state.cases.values())
  const real = cases.filter((item) => !isDrill(item) && isOpen(item))
  const drills = cases.filter((item) => isDrill(item) && isOpen(item))
  const [first, ...next] = real
  const sum = (name) => state.outings.reduce((n, outing) => n + outing[name], 0)
  const now = desk.now()
  const figures = [
    ['console.unacked', real.filter(isUnacked).length, 'hot'],
    ['console.active', real.filter((item) => !isUnacked(item)).length, ''],
    ['wall.outings', state.outings.length, ''],
    ['wall.children', sum('count'), ''],
    ['wall.dark', state.scanners.filter((scanner) => scanner.dark).length, ''],
  ]
  return html`<div class="wall">
    <header>
      <h1>${t('console.title', { district: state.district?.name ?? '' })}</h1>
      <dl>${figures.map(([name, n, kind]) => html`<div key=${name} class=${n ? kind : ''}><dt>${t(name)}</dt><dd>${number(n)}</dd></div>`)}</dl>
      <p class=${`link link-${link}`} role="status" data-link=${link}>${LINK_SHAPE[link]} ${t(`console.link.${link}`, {
        s: Math.round((performance.now() - state.word_ms) / 1000), ms: state.lag_ms ?? 0 })}</p>
      <time>${clockText(new Date(now))}</time>
    </header>
    <main>
      <section class="ground" aria-label=${t('console.map')}><${Ground} desk=${desk} state=${state} />
        <p class="note">${t('wall.masked')}</p></section>
      <aside>
        ${first
          ? html`<section class=${`case ${isUnacked(first) ? 'unacked' : ''}`} data-case=${first.case_id}>
              <p class="state">${word(first)}</p>
              <p class="elapsed">${elapsed(lasted(first, now))}</p>
              <h2>${who(first)}</h2>
              <${Outfit} outfit=${first.subject.outfit} />
              <p>${first.facility.name}</p>
            </section>`
          : html`<p class="quiet">● ${t('wall.quiet')}</p>`}
        ${next.length > 0 && html`<h3>${t('wall.next')}</h3>
          <ol>${next.slice(0, 4).map((item) => html`<li key=${idOf(item)}><span>${word(item)} · ${who(item)}</span><span>${elapsed(lasted(item, now))}</span></li>`)}</ol>`}
        ${drills.length > 0 && html`<h3>◇ ${t('wall.drill')}</h3>
          <ol class="drills">${drills.slice(0, 3).map((item) => html`<li key=${idOf(item)}><span>[${t('wall.drill')}] ${who(item)}</span><span>${elapsed(lasted(item, now))}</span></li>`)}</ol>`}
        <section class="outings">${[...state.outings]
          .sort((a, b) => b.departed - a.departed || b.warned - a.warned)
          .slice(0, 6)
          .map((outing) => html`<p key=${outing.outing_id}><span>${outing.departed ? '▲' : outing.warned || outing.unknown ? '◆' : '●'} ${outing.facility.name}</span>
            <span>${outing.with}/${outing.count}</span></p>`)}</section>
      </aside>
    </main>
  </div>`
}

function App({ session }) {
  const [, turn] = useState(0)
  const [desk, setDesk] = useState(null)
  useEffect(() => {
    if (desk || !session.actor) return
    const made = makeDesk(session)
    made.start()
    setDesk(made)
  })
  useEffect(() => session.onLost(() => (desk?.stop(), setDesk(null))), [desk])
  if (!session.actor) {
    const again = () => turn((n) => n + 1)
    return html`<${SignIn} session=${session} title=${t('wall.page_title')} onDone=${again} onLanguage=${again} />`
  }
  return desk && html`<${Wall} desk=${desk} />`
}

await speak()
render(html`<${App} session=${sessionIn(localStorage)} />`, document.getElementById('app'))
