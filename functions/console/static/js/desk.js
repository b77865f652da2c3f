// What the console and the wall know: cases, outings, scanners, offers, and how fresh that is.

import { newKey } from './api.js'
import { box, decodeFrame, feed, health, latch, poll } from './link.js'

const SLOW_MS = 15_000
const CAMERAS_MS = 5000
const OVERLAP_MS = 60_000
const OPEN_ENDED = ['closed']

export const isOpen = (item) => !OPEN_ENDED.includes(item.state)
export const isDrill = (item) => item.status !== 'Actual'
export const isUnacked = (item) => isOpen(item) && !item.owner
export const idOf = (item) => `${item.tenant_id}/${item.case_id}`

// Real before drill; unacknowledged, then active, then closed; oldest first.
export function ranked(cases) {
  const rank = (item) => [isDrill(item), isUnacked(item) ? 0 : isOpen(item) ? 1 : 2, Date.parse(item.opened_at)]
  return [...cases].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)]
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
  })
}

// A shared case in the shape of our own, as far as the grant goes.
const asOurs = (item) => ({
  ...item,
  shared: true,
  tenant_id: item.owner_id,
  owner: item.owner_id,
  owner_name: item.owner_name || item.owner_id,
  facility: { name: item.owner_name || item.owner_id },
  clock: { T4: item.opened_at },
  last: item.last ?? {},
  version: 0,
})

export function makeDesk(session) {
  const me = session.actor
  const state = {
    ready: false,
    district: null,
    cases: new Map(),
    outings: [],
    scanners: [],
    offers: [],
    details: {},
    selected: null,
    word_ms: performance.now(),
    live: 'none',
    offset_ms: 0,
    lag_ms: null,
    faults: [],
    problem: null,
  }
  const readers = new Set()
  const frameReaders = new Set()
  let pending = false
  let events = null
  let frame_ms = 0
  let asked_until = ''

  const changed = () => {
    if (pending) return
    pending = true
    queueMicrotask(() => {
      pending = false
      readers.forEach((read) => read())
    })
  }
  const set = (patch) => {
    Object.assign(state, patch)
    changed()
  }
  // Only the API's word counts: frames that still flow must not hide that cases do not.
  const heard = (now) => {
    state.word_ms = performance.now()
    if (now) state.offset_ms = Date.parse(now) - Date.now()
  }
  const api = (path, options) => session.api(path, options)
  const shared = (item) => item.tenant_id !== me.tenant_id
  const root = (item) => (shared(item) ? `shared/${item.tenant_id}/${item.case_id}` : `cases/${item.case_id}`)

  function keep(item) {
    const id = idOf(item)
    const known = state.cases.get(id)
    if (known && known.version > item.version) return
    state.cases = new Map(state.cases).set(id, item)
    changed()
  }

  async function readCases() {
    const asked_ms = performance.now()
    const since = asked_until && `?since=${encodeURIComponent(new Date(asked_until).toISOString())}`
    const answer = await api(`cases${since}`)
    heard(answer.now)
    asked_until = Date.parse(answer.now) - OVERLAP_MS
    state.lag_ms = Math.round(performance.now() - asked_ms)
    answer.cases.forEach(keep)
    await readShared()
    state.ready = true
    changed()
    readDetails()
  }

  // A neighbour's case is shown while its grant lasts, and not a poll longer.
  async function readShared() {
    if (!state.offers.length && ![...state.cases.values()].some(shared)) return
    const granted = state.offers.filter((offer) => offer.state === 'accepted')
    const found = await Promise.all(
      granted.map((offer) =>
        api(`shared/${offer.owner_id}/${offer.case_id}`)
          .then((answer) => asOurs(answer.case))
          .catch((problem) => {
            if (problem.status === 404) return null
            throw problem
          }),
      ),
    )
    const now = new Map(found.filter(Boolean).map((item) => [idOf(item), item]))
    const next = new Map([...state.cases].filter(([id, item]) => !shared(item) || now.has(id)))
    now.forEach((item, id) => next.set(id, item))
    state.cases = next
    if (state.selected && !next.has(state.selected)) state.selected = null
  }

  // The position moves by itself; the rest changes only with the case, or with a camera's turn to be offered.
  const readDetails = latch(async () => {
    const item = state.cases.get(state.selected)
    if (!item) return
    const id = idOf(item)
    const before = state.details[id] ?? { timeline: [], version: -1, cameras_ms: 0 }
    const moved = before.version !== item.version || item.shared
    const asks = [quiet(`${root(item)}/position`)]
    const wants = (what, really) => asks.push(really ? quiet(`${root(item)}/${what}`) : null)
    const turn = moved || performance.now() - before.cameras_ms > CAMERAS_MS
    wants('cameras', isOpen(item) && turn)
    wants('track', moved)
    wants(`timeline?after=${before.timeline.at(-1)?.seq ?? 0}`, moved && !item.shared)
    wants('shares', moved && !item.shared)
    const [position, cameras, track, lines, shares] = await Promise.all(asks)
    if (state.selected !== id) return
    const next = { ...before, version: item.version }
    if (position) next.position = position.position && { ...position.position, ...times(position) }
    if (cameras) Object.assign(next, { cameras: inView(cameras, before), cameras_ms: performance.now() })
    if (track) next.track = track.points
    if (lines) {
      const seen = before.timeline.at(-1)?.seq ?? 0
      next.timeline = [...before.timeline, ...lines.entries.filter((entry) => entry.seq > seen)]
    }
    if (shares) next.shares = shares.shares
    set({ details: { ...state.details, [id]: next } })
  })

  // What this screen already lists stays in its place while somebody looks at it: a list must not jump under a hand.
  function inView(answer, before) {
    const marked = answer.marked ?? {}
    const offered = new Map(answer.cameras.map((camera) => [camera.camera_id, camera]))
    const held = (before.cameras ?? [])
      .filter((camera) => marked[camera.camera_id]?.mark === 'watching' && !offered.has(camera.camera_id))
      .map((camera) => ({ ...camera, mark: marked[camera.camera_id] }))
    return [...held, ...answer.cameras].slice(0, 8)
  }

  const times = (answer) => ({
    at_ms: Date.parse(answer.position.at),
    seen_ms: Date.parse(answer.now),
  })

  // A detail that is not there, or not for us, is shown as missing; a dead link is the pill's business.
  async function quiet(path) {
    try {
      return await api(path)
    } catch (problem) {
      if (problem.status === 401) throw problem
      return null
    }
  }

  async function readOutings() {
    const answer = await quiet('outings')
    if (!answer) return
    set({ outings: answer.outings })
    if (state.live !== 'open' || performance.now() - frame_ms > 10_000) showGroups(answer.outings)
  }

  // Without frames the groups come from the API, a few seconds older.
  function showGroups(outings) {
    const placed = outings.filter((outing) => outing.anchor)
    const worst = (o) => (o.departed ? 2 : o.warned ? 1 : o.unknown ? 3 : 0)
    const frame = {
      key: Uint32Array.from(placed, (_, i) => i),
      lat: Float64Array.from(placed, (o) => o.anchor.lat),
      lon: Float64Array.from(placed, (o) => o.anchor.lon),
      children: Uint8Array.from(placed, (o) => o.count),
      state: Uint8Array.from(placed, worst),
    }
    frameReaders.forEach((read) => read(frame))
  }

  async function readSlow() {
    const [scanners, offers] = await Promise.all([quiet('scanners'), quiet('offers')])
    if (scanners) state.scanners = scanners.scanners
    if (offers) state.offers = offers.offers
    changed()
  }

  async function readOffers() {
    const offers = await quiet('offers')
    if (offers) set({ offers: offers.offers })
    await readShared()
    changed()
  }

  // A dead link is shown within a second of its age, whoever else is silent.
  setInterval(changed, 1000)

  const timers = []
  function start() {
    api('district').then((district) => {
      set({ district })
      events = feed(() => api('live'), {
        onEvent(event) {
          if (event.kind === 'case') timers[0].now()
          else if (event.kind === 'outing') timers[1].now()
          else if (event.kind === 'offer') readOffers().then(() => timers[0].now())
          else timers[2].now()
        },
        onFrame(bytes) {
          frame_ms = performance.now()
          const frame = decodeFrame(bytes, box(district.boundary))
          if (frame) frameReaders.forEach((read) => read(frame))
        },
        onState(live) {
          set({ live })
          if (live === 'open') timers.forEach((timer) => timer.now())
        },
      })
    }, fault)
    timers.push(poll(readCases), poll(readOutings, 5000), poll(readSlow, SLOW_MS))
    if (me.role !== 'wall') timers.push(poll(readOffers, 5000))
  }

  const fault = (problem) => set({ problem })

  return {
    me,
    state,
    start,
    stop() {
      timers.forEach((timer) => timer.stop())
      events?.stop()
    },
    subscribe(read) {
      readers.add(read)
      return () => readers.delete(read)
    },
    onFrame(read) {
      frameReaders.add(read)
      return () => frameReaders.delete(read)
    },
    now: () => Date.now() + state.offset_ms,
    health: () => health(state.word_ms, state.live),
    select(id) {
      if (state.selected === id) return
      set({ selected: id })
      readDetails()
    },
    fault(name, error) {
      console.error(`${name}: ${error.message}`)
      if (!state.faults.includes(name)) set({ faults: [...state.faults, name] })
    },
    dismiss: () => set({ problem: null }),
    // One press, one effect: the key goes with every retry of this press.
    async act(path, body = {}) {
      const key = newKey()
      for (let attempt = 0; ; attempt += 1) {
        try {
          const answer = await api(path, { method: 'POST', body, key })
          if (answer.case) keep(answer.case)
          if (state.selected) readDetails()
          if (path.startsWith('offers')) await readOffers()
          set({ problem: null })
          return answer
        } catch (problem) {
          if (problem.code === 'offline' && attempt < 2) {
            await new Promise((done) => setTimeout(done, 300))
            continue
          }
          fault(problem)
          timers[0]?.now()
          return null
        }
      }
    },
    root,
    read: api,
  }
}
