// The HTTP API with the reader's own token. Every address is relative: the pages work behind any prefix.

const KEY = 'jikimi.session'

export class Problem extends Error {
  // code: stable, of RFC 9457 problem details; 'offline' when nothing answered.
  constructor(code, status = 0, params = {}) {
    super(code)
    this.code = code
    this.status = status
    this.params = params
  }
}

export function session(store) {
  const read = () => JSON.parse(store.getItem(KEY) || 'null')
  const write = (value) => (value ? store.setItem(KEY, JSON.stringify(value)) : store.removeItem(KEY))
  let lost = () => {}

  async function call(path, { method = 'GET', body, key, token, timeout_ms = 8000, raw = false } = {}) {
    const headers = { accept: 'application/json' }
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (key) headers['idempotency-key'] = key
    if (token) headers.authorization = `Bearer ${token}`
    let answer
    let text
    try {
      answer = await fetch(`v1/${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(timeout_ms),
        cache: 'no-store',
      })
      text = await answer.text() // a line that breaks half-way has answered nothing
    } catch {
      throw new Problem('offline')
    }
    if (raw && answer.ok) return text // a page or a document to save as it is
    let json = {}
    try {
      json = text ? JSON.parse(text) : {}
    } catch {
      throw new Problem('unreadable', answer.status)
    }
    if (answer.ok) return json
    throw new Problem(json.code || `http-${answer.status}`, answer.status, json.params || {})
  }

  let renewing = null
  function renew(kept) {
    renewing ??= call('sign-in/refresh', { method: 'POST', body: { refresh_token: kept.refresh_token } })
      .then((fresh) => write({ ...kept, ...fresh }))
      .finally(() => (renewing = null))
    return renewing
  }

  return {
    get actor() {
      return read()?.actor ?? null
    },
    onLost(callback) {
      lost = callback
    },
    async signIn(username, password) {
      write(await call('sign-in', { method: 'POST', body: { username, password } }))
    },
    signOut() {
      write(null)
      lost()
    },
    async api(path, options = {}) {
      const kept = read()
      try {
        return await call(path, { ...options, token: kept?.id_token })
      } catch (problem) {
        if (problem.status !== 401 || !kept?.refresh_token) {
          if (problem.status === 401) this.signOut()
          throw problem
        }
      }
      try {
        await renew(kept)
      } catch (problem) {
        if (problem.status) this.signOut()
        throw problem
      }
      return call(path, { ...options, token: read().id_token })
    },
  }
}

export const newKey = () => crypto.randomUUID()
