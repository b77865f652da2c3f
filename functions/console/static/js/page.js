// What every page shares: language, sign-in, and the pieces that look alike.

import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/htm-preact-3.1.1.js'
import { has, language, speak, t } from './i18n.js'

export function problemText(problem) {
  const path = `error.${problem.code}`
  return has(path) ? t(path, problem.params) : t('common.problem', { code: problem.code })
}

export function useModel(model) {
  const [, turn] = useState(0)
  useEffect(() => model.subscribe(() => turn((n) => n + 1)), [model])
  return model.state
}

export function Language({ onChange }) {
  const other = language === 'ko' ? 'en' : 'ko'
  const change = async () => {
    await speak(other)
    onChange()
  }
  return html`<button class="quiet" lang=${other} onClick=${change}>${other === 'ko' ? '한국어' : 'English'}</button>`
}

export function SignIn({ session, title, onDone, onLanguage }) {
  const [problem, setProblem] = useState(null)
  const [busy, setBusy] = useState(false)
  const submit = async (event) => {
    event.preventDefault()
    const form = event.currentTarget
    setBusy(true)
    try {
      await session.signIn(form.elements.username.value.trim(), form.elements.password.value)
      onDone()
    } catch (found) {
      setProblem(found)
      setBusy(false)
      form.elements.password.focus()
    }
  }
  return html`<main class="signin">
    <form onSubmit=${submit}>
      <p class="mark" aria-hidden="true">지킴이</p>
      <h1>${title}</h1>
      <label>${t('common.username')}<input name="username" autocomplete="username" required autocapitalize="none" /></label>
      <label>${t('common.password')}<input name="password" type="password" autocomplete="current-password" required /></label>
      <p class="problem" role="alert">${problem && problemText(problem)}</p>
      <button class="primary" disabled=${busy}>${t('common.sign_in')}</button>
      <${Language} onChange=${onLanguage} />
      <p class="small">${t('common.logged')}</p>
    </form>
  </main>`
}

export function Dialog({ title, onClose, children, danger = false }) {
  const node = useRef(null)
  useLayoutEffect(() => {
    const from = document.activeElement
    node.current.showModal()
    return () => from?.isConnected && from.focus()
  }, [])
  return html`<dialog ref=${node} class=${danger ? 'danger' : ''} aria-labelledby="dialog-title" onClose=${onClose}
    onCancel=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`
}

export const COLOURS = ['white', 'black', 'gray', 'red', 'orange', 'yellow', 'green', 'blue', 'navy', 'purple', 'pink', 'brown']
export const GARMENTS = ['top', 'bottom', 'shoes', 'bag']

export function Outfit({ outfit = {} }) {
  const worn = GARMENTS.filter((part) => outfit[part])
  if (!worn.length) return html`<span class="muted">${t('common.no_outfit')}</span>`
  return html`<ul class="outfit">${worn.map(
    (part) => html`<li key=${part}><span class=${`swatch ${outfit[part]}`} aria-hidden="true"></span>${t(
      `common.colours.${outfit[part]}`,
    )} ${t(`common.garments.${part}`)}</li>`,
  )}</ul>`
}
