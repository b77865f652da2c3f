// What the teacher's phone knows: the outing, its reports, and how old that is.
// Nothing here survives as "fine": without a word from the server for 10 s, every child is unknown.

import { newKey } from './api.js'
import { feed, poll, STALE_S } from './link.js'

const OUTBOX = 'jikimi.outbox'
const OUTING = 'jikimi.outing'
const QUIET_MS = 5000
const CANCEL_S = 10
const RETRY_MS = 2000
const ANSWERED = ['searching', 'left-behind', 'bag-only']

// A phone that restarts without a network must still be able to report. So who is on the outing is kept on it
// while the outing runs, never how they are; sign-out and the end of the outing delete it.
function kept() {
  const outing = JSON.parse(localStorage.getItem(OUTING) || 'null')
  if (!outing) return null
  const unknown = { state: 'unknown', age_s: null, reason: null, heard_by: null, answer: null, outfit: {} }
  return { ...outing, phones: [], members: outing.members.map((member) => ({ ...unknown, ...member })) }
}

function keep(outing) {
  if (!outing) return localStorage.removeItem(OUTING)
  const { outing_id, facility, status } = outing
  const members = outing.members.map(({ child_id, name, bag_no }) => ({ child_id, name, bag_no }))
  return localStorage.setItem(OUTING, JSON.stringify({ outing_id, facility, status, members }))
}

export function makeTeacher(session) {
  const state = {
    outing: kept(),
    roster: null,
    cases: [],
    outbox: JSON.parse(localStorage.getItem(OUTBOX) || '[]'),
    shown: null,
    word_ms: -Infinity,
    offset_ms: 0,
    problem: null,
    ended: false,
  }
  const readers = new Set()
  const quiet = new Map()
  const timers = []
  let events = null
  let flushing = false

  const changed = () => readers.forEach((read) => read())
  const set = (patch) => {
    Object.assign(state, patch)
    changed()
  }
  const heard = (now) => {
    state.word_ms = performance.now()
    if (now) state.offset_ms = Date.parse(now) - Date.now()
  }
  const now = () => Date.now() + state.offset_ms
  const keepOutbox = (outbox) => {
    localStorage.setItem(OUTBOX, JSON.stringify(outbox))
    set({ outbox })
  }

  async function ask() {
    const running = await session.api('outings')
    const mine = running.outings[0]
    if (mine) {
      const answer = await session.api(`outings/${mine.outing_id}`)
      heard(answer.now)
      keep(answer.outing)
      set({ outing: answer.outing })
    } else {
      keep(null)
      heard(running.now)
      const { children } = await session.api('children')
      set({ outing: null, roster: children })
    }
    const found = await session.api('cases')
    set({ cases: found.cases })
  }

  async function write(path, body, key = newKey()) {
    try {
      const answer = await session.api(path, { method: 'POST', body, key })
      heard(answer.now)
      set({ problem: null })
      return answer
    } catch (problem) {
      set({ problem })
      return null
    }
  }

  // A report is kept, with its press time and its key, until the server has it: once, however often it is sent.
  async function flush() {
    if (flushing || !state.outbox.length) return
    flushing = true
    for (const report of state.outbox) {
      const { key, child_id, outing_id, pressed_at } = report
      try {
        const body = { child_id, pressed_at, ...(outing_id ? { outing_id } : {}) }
        const answer = await session.api('cases', { method: 'POST', body, key })
        heard(answer.now)
        keepOutbox(state.outbox.filter((other) => other.key !== key))
        const rest = state.cases.filter((item) => item.case_id !== answer.case.case_id)
        set({ cases: [answer.case, ...rest], shown: { key, case_id: answer.case.case_id }, problem: null })
      } catch (problem) {
        if (problem.status >= 400 && problem.status < 500 && problem.status !== 401 && problem.status !== 429) {
          keepOutbox(state.outbox.filter((other) => other.key !== key))
          set({ problem, shown: null })
        }
        break
      }
    }
    flushing = false
    changed()
  }

  return {
    state,
    subscribe(read) {
      readers.add(read)
      return () => readers.delete(read)
    },
    start() {
      timers.push(poll(ask))
      events = feed(() => session.api('live'), { onEvent: () => timers[0].now(), onState: () => {} })
      this.ticks = [setInterval(changed, 1000), setInterval(flush, RETRY_MS)]
      addEventListener('online', flush)
      flush()
    },
    stop() {
      keep(null)
      timers.forEach((timer) => timer.stop())
      events?.stop()
      this.ticks?.forEach(clearInterval)
    },
    now,
    age_s: () => (performance.now() - state.word_ms) / 1000,
    stale() {
      return this.age_s() > STALE_S
    },
    caseOf: (child_id) => state.cases.find((item) => item.open && item.subject.subject_id === child_id),
    // Departed, unanswered, unreported: the alarm screen. A just-pressed answer quiets it until the server agrees.
    alarms() {
      if (this.stale() || !state.outing) return []
      return state.outing.members.filter(
        (member) =>
          member.state === 'departed' &&
          !ANSWERED.includes(member.answer) &&
          !this.caseOf(member.child_id) &&
          !state.outbox.some((report) => report.child_id === member.child_id) &&
          (quiet.get(member.child_id) ?? 0) < performance.now(),
      )
    },
    async answer(child_id, answer) {
      quiet.set(child_id, performance.now() + QUIET_MS)
      changed()
      const told = await write(`outings/${state.outing.outing_id}/answers`, { child_id, answer })
      if (told) set({ outing: told.outing })
      else quiet.delete(child_id)
    },
    report(child_id) {
      const waiting = state.outbox.find((report) => report.child_id === child_id)
      const key = waiting?.key ?? newKey()
      if (!waiting) {
        const pressed_at = new Date(now()).toISOString()
        keepOutbox([...state.outbox, { key, child_id, outing_id: state.outing?.outing_id ?? null, pressed_at }])
      }
      set({ shown: { key } })
      flush()
    },
    show: (case_id) => set({ shown: case_id ? { case_id } : null }),
    cancellable_s: (item) => CANCEL_S - (now() - Date.parse(item.opened_at)) / 1000,
    async cancel(shown, note) {
      if (!shown.case_id) {
        keepOutbox(state.outbox.filter((report) => report.key !== shown.key))
        set({ shown: null })
        return
      }
      const told = await write(`cases/${shown.case_id}/close`, { reason: 'false-alarm', note })
      if (told) {
        set({ shown: null, cases: state.cases.map((item) => (item.case_id === shown.case_id ? told.case : item)) })
      }
    },
    async called112(case_id) {
      const told = await write(`cases/${case_id}/police`, { channel: '112-call' })
      if (told) set({ cases: state.cases.map((item) => (item.case_id === case_id ? told.case : item)) })
    },
    // Whether push now reaches this page. Asked for by a tap, as browsers want it.
    async push(phone_id) {
      try {
        if ((await Notification.requestPermission()) !== 'granted') return false
        const { key } = await session.api('push-key')
        const { pushManager } = await navigator.serviceWorker.ready
        const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
        const { endpoint, keys } = made.toJSON()
        const subscription = { endpoint, p256dh: keys.p256dh, auth: keys.auth }
        await session.api(`devices/${phone_id}`, { method: 'PUT', body: { platform: 'web', subscription } })
        return true
      } catch (problem) {
        set({ problem: problem.code ? problem : { code: 'push-refused' } })
        return false
      }
    },
    // The page was opened from a notification: that is the read receipt. Ids without a dot have no record.
    opened(alert_id) {
      if (alert_id?.includes('.')) write(`alerts/${alert_id}/read`, {})
    },
    async begin(members, status) {
      const told = await write('outings', { members, status })
      if (told) set({ outing: told.outing })
    },
    async end(answers) {
      const told = await write(`outings/${state.outing.outing_id}/end`, { answers })
      if (told) {
        keep(null)
        set({ outing: null })
        timers[0].now()
      }
      return told
    },
  }
}
