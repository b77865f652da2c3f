// MQTT 3.1.1 over WebSocket, listening only: CONNECT, SUBSCRIBE (QoS 0), PUBLISH in, PINGREQ.
// A library of 340 KB can also publish, queue and store; a screen must not, and a phone cannot afford it.

const utf8 = new TextEncoder()
const text = new TextDecoder()

const str = (s) => {
  const bytes = utf8.encode(s)
  return [bytes.length >> 8, bytes.length & 255, ...bytes]
}

function packet(head, body) {
  const size = []
  let left = body.length
  do {
    size.push((left % 128) | (left > 127 ? 128 : 0))
    left = Math.floor(left / 128)
  } while (left)
  return new Uint8Array([head, ...size, ...body])
}

// Calls onMessage(topic, bytes); onState('open' | 'closed'). Returns { close }. One connection, no retry.
// A broker that does not answer a ping within `silence_ms` counts as closed: a frozen one sends no FIN.
export function listen(url, { clientId, topics, onMessage, onState, ping_ms = 1500, silence_ms = 3500 }) {
  const socket = new WebSocket(url, ['mqtt'])
  socket.binaryType = 'arraybuffer'
  let buffer = new Uint8Array(0)
  let heard_ms = performance.now()
  let over = false
  let pinged_ms = 0
  const timer = setInterval(() => {
    const now = performance.now()
    if (now - heard_ms > silence_ms) return end()
    if (socket.readyState !== 1 || now - pinged_ms < ping_ms) return
    pinged_ms = now
    socket.send(packet(0xc0, []))
  }, ping_ms / 3)

  function end() {
    if (over) return
    over = true
    clearInterval(timer)
    socket.close()
    onState('closed')
  }

  function take(type, body) {
    if (type === 2) {
      if (body[1] !== 0) return end()
      socket.send(packet(0x82, [0, 1, ...topics.flatMap((topic) => [...str(topic), 0])]))
    } else if (type === 9) {
      if ([...body.subarray(2)].some((code) => code === 0x80)) return end()
      onState('open')
    } else if (type === 3) {
      const length = (body[0] << 8) | body[1]
      onMessage(text.decode(body.subarray(2, 2 + length)), body.subarray(2 + length))
    }
  }

  socket.onopen = () => socket.send(packet(0x10, [...str('MQTT'), 4, 2, 0, 30, ...str(clientId)]))
  socket.onclose = end
  socket.onerror = end
  socket.onmessage = ({ data }) => {
    heard_ms = performance.now()
    const joined = new Uint8Array(buffer.length + data.byteLength)
    joined.set(buffer)
    joined.set(new Uint8Array(data), buffer.length)
    buffer = joined
    for (;;) {
      let size = 0
      let at = 1
      for (let shift = 0; ; shift += 7, at += 1) {
        if (at >= buffer.length) return
        size |= (buffer[at] & 127) << shift
        if (!(buffer[at] & 128)) break
      }
      at += 1
      if (buffer.length < at + size) return
      const body = buffer.slice(at, at + size)
      const type = buffer[0] >> 4
      buffer = buffer.slice(at + size)
      take(type, body)
    }
  }
  return { close: end }
}
