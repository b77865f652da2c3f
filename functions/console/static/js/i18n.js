// One dictionary per language, the same files the server uses. Codes and parameters come from the API.

const KEY = 'jikimi.language'
let words = {}
export let language = 'ko'

export async function speak(wanted) {
  language = wanted || localStorage.getItem(KEY) || 'ko'
  const answer = await fetch(`static/i18n/${document.documentElement.dataset.words ?? ''}${language}.json`)
  words = await answer.json()
  localStorage.setItem(KEY, language)
  document.documentElement.lang = language
}

const find = (path) => path.split('.').reduce((node, name) => (node == null ? node : node[name]), words)

export const has = (path) => typeof find(path) === 'string'

// Korean particles follow the sound before them: "김하늘(이/가)" becomes "김하늘이".
function josa(text) {
  return text.replace(/(.)\((이\/가|을\/를|은\/는|과\/와)\)/g, (whole, before, pair) => {
    const code = before.charCodeAt(0)
    const closed = code >= 0xac00 && code <= 0xd7a3 && (code - 0xac00) % 28 > 0
    return before + pair.split('/')[closed ? 0 : 1]
  })
}

export function t(path, params = {}) {
  const sentence = find(path)
  if (typeof sentence !== 'string') return path
  const told = sentence.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = params[name]
    if (value === undefined || value === null) return '–'
    return typeof value === 'number' ? number(value) : String(value)
  })
  return josa(told)
}

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)

const inSeoul = { timeZone: 'Asia/Seoul', hourCycle: 'h23' }
export const clockText = (date) =>
  new Intl.DateTimeFormat('en-GB', { ...inSeoul, hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(date)
export const minuteText = (date) =>
  new Intl.DateTimeFormat('en-GB', { ...inSeoul, hour: '2-digit', minute: '2-digit' }).format(date)

export function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (n) => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`
}

export function ago(seconds) {
  if (seconds == null) return t('common.never')
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return t('common.seconds_ago', { n: whole })
  return t(whole < 3600 ? 'common.minutes_ago' : 'common.hours_ago', {
    n: Math.floor(whole / (whole < 3600 ? 60 : 3600)),
  })
}

const COMPASS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw']
export const bearing = (deg) => t(`common.compass.${COMPASS[Math.round((((deg % 360) + 360) % 360) / 45) % 8]}`)

// 김하늘 → 김○○, whatever the server sent: the wall and other people's consoles show no full name.
export const masked = (name) => (name ? name[0] + '○'.repeat(Math.max(1, [...name].length - 1)) : '–')
