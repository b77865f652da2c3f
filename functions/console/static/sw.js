// Lets the phone's page start without a network. Only the shell is kept: no answer of the API, ever,
// because an old answer looks like a fine group.

const SHELL = 'jikimi-shell-1'
const FILES = [
  'phone',
  'static/css/phone.css',
  'static/css/tokens.css',
  'static/i18n/en.json',
  'static/i18n/ko.json',
  'static/icons/jikimi.svg',
  'static/js/api.js',
  'static/js/i18n.js',
  'static/js/link.js',
  'static/js/mqtt.js',
  'static/js/page.js',
  'static/js/phone.js',
  'static/js/sound.js',
  'static/js/teacher.js',
  'static/vendor/htm-preact-3.1.1.js',
]
const shell = new Set(FILES.map((file) => new URL(file, registration.scope).pathname))

addEventListener('install', (event) => {
  skipWaiting()
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)))
})

addEventListener('activate', (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((n) => n !== SHELL).map((n) => caches.delete(n))))
  event.waitUntil(Promise.all([old, clients.claim()]))
})

// The network first, so that a new version is never a day late; the kept copy when it does not answer.
addEventListener('fetch', (event) => {
  const { request } = event
  if (request.method !== 'GET' || !shell.has(new URL(request.url).pathname)) return
  event.respondWith(
    (async () => {
      const cache = await caches.open(SHELL)
      try {
        const answer = await fetch(request, { signal: AbortSignal.timeout(3000) })
        if (answer.ok) await cache.put(request, answer.clone())
        return answer
      } catch {
        return (await cache.match(request, { ignoreSearch: true })) ?? Response.error()
      }
    })(),
  )
})

// A push holds no name and no place: it says "look", and the page asks with the reader's own rights.
addEventListener('push', (event) => {
  let told = {}
  try {
    told = event.data?.json() ?? {}
  } catch {
    // a push without a readable body still says "look"
  }
  const drill = told.status && told.status !== 'Actual'
  event.waitUntil(
    registration.showNotification(`${drill ? '[훈련] ' : ''}지킴이: 확인이 필요해요`, {
      body: '눌러서 확인하세요',
      tag: told.id ?? 'jikimi',
      renotify: true,
      requireInteraction: true,
      vibrate: [400, 150, 400],
    }),
  )
})

addEventListener('notificationclick', (event) => {
  event.notification.close()
  const page = `phone?alert=${encodeURIComponent(event.notification.tag)}`
  event.waitUntil(
    clients.matchAll({ type: 'window' }).then((open) =>
      open[0] ? open[0].navigate(page).then((shown) => shown.focus()) : clients.openWindow(page)),
  )
})
