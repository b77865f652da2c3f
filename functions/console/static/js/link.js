// One truth, the API, asked every 2 s; MQTT only says "ask now" and carries the group frame.
// So a lost event costs at most one interval, a reconnect needs no replay, and no screen trusts a socket.

import { listen } from './mqtt.js'

export const POLL_MS = 2000
export const AMBER_S = 3
export const RED_S = 10
export const STALE_S = 10

// word_ms: performance clock at the API's last answer. 'live' | 'polling' | 'late' | 'dead'
export function health(word_ms, live, now_ms = performance.now()) {
  const age_s = (now_ms - word_ms) / 1000
  if (age_s > RED_S) return 'dead'
  if (age_s > AMBER_S) return 'late'
  return live === 'open' ? 'live' : 'polling'
}

// Runs `work` one at a time; asked again meanwhile, it runs once more. A failure is the age of the last
// answer's business (see health()), so it ends here.
export function latch(work) {
  let running = null
  let again = false
  return async function now() {
    again = true
    running ??= (async () => {
      while (again) {
        again = false
        await work().catch(() => {})
      }
      running = null
    })()
    return running
  }
}

// Asks now, every `every_ms`, when told, and when the page comes back to the front.
export function poll(ask, every_ms = POLL_MS) {
  const now = latch(ask)
  const timer = setInterval(now, every_ms)
  const shown = () => document.visibilityState === 'visible' && now()
  document.addEventListener('visibilitychange', shown)
  now()
  return {
    now,
    stop() {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', shown)
    },
  }
}

// Keeps one listening connection alive. address(): the API's signed address, or throws.
export function feed(address, { onEvent, onFrame, onState }) {
  let current = null
  let wait_ms = 500
  let timer = 0
  let stopped = false

  async function open() {
    if (stopped) return
    let granted
    try {
      granted = await address()
    } catch (problem) {
      onState('none')
      timer = setTimeout(open, problem.status === 404 ? 60_000 : retry())
      return
    }
    const connection = listen(granted.url, {
      clientId: granted.client_id,
      topics: Object.values(granted.topics),
      onMessage(topic, bytes) {
        if (topic === granted.topics.frame) onFrame?.(bytes)
        else if (topic === granted.topics.events) onEvent(JSON.parse(new TextDecoder().decode(bytes)))
      },
      onState(state) {
        if (connection !== current && state === 'closed') return
        onState(state)
        if (state === 'open') wait_ms = 500
        else timer = setTimeout(open, retry())
      },
    })
    const last = current
    current = connection
    last?.close()
  }

  function retry() {
    wait_ms = Math.min(wait_ms * 2, 15_000)
    return wait_ms / 2
  }

  open()
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
      const last = current
      current = null
      last?.close()
    },
  }
}

// The group frame of shared/schema/live.py, over the district's box [south, west, north, east].
export function decodeFrame(bytes, [south, west, north, east]) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint8(0) !== 1) return null
  const count = view.getUint16(2, true)
  const at_ms = view.getFloat64(4, true)
  const frame = {
    at_ms,
    key: new Uint32Array(count),
    lat: new Float64Array(count),
    lon: new Float64Array(count),
    children: new Uint8Array(count),
    state: new Uint8Array(count),
  }
  for (let i = 0, o = 14; i < count; i += 1, o += 9) {
    frame.key[i] = view.getUint8(o) | (view.getUint8(o + 1) << 8) | (view.getUint8(o + 2) << 16)
    frame.children[i] = view.getUint8(o + 3)
    frame.lon[i] = west + ((east - west) * view.getUint16(o + 4, true)) / 65535
    frame.lat[i] = south + ((north - south) * view.getUint16(o + 6, true)) / 65535
    frame.state[i] = view.getUint8(o + 8)
  }
  return frame
}

export function box(boundary) {
  const lats = boundary.map(([lat]) => lat)
  const lons = boundary.map(([, lon]) => lon)
  const [s, w, n, e] = [Math.min(...lats), Math.min(...lons), Math.max(...lats), Math.max(...lons)]
  return [s - (n - s) / 4, w - (e - w) / 4, n + (n - s) / 4, e + (e - w) / 4]
}
