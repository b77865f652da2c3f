// The alarm. Browsers start no sound before a press, so the page must say when it is mute.

let context = null

export const soundState = () => (context?.state === 'running' ? 'on' : 'off')

export async function enableSound() {
  context ??= new AudioContext()
  await context.resume().catch(() => {})
  return soundState()
}

// Two rising tones for a case, one low one for a dead link. Returns when it starts, or null when mute.
export function ring(kind = 'case') {
  if (soundState() !== 'on') return null
  performance.mark('ring')
  const start = context.currentTime
  const tones = kind === 'case' ? [880, 1175, 880, 1175] : [330, 262]
  tones.forEach((hertz, i) => {
    const tone = context.createOscillator()
    const volume = context.createGain()
    tone.frequency.value = hertz
    volume.gain.setValueAtTime(0, start + i * 0.2)
    volume.gain.linearRampToValueAtTime(0.3, start + i * 0.2 + 0.02)
    volume.gain.setValueAtTime(0.3, start + i * 0.2 + 0.16)
    volume.gain.linearRampToValueAtTime(0, start + i * 0.2 + 0.19)
    tone.connect(volume).connect(context.destination)
    tone.start(start + i * 0.2)
    tone.stop(start + i * 0.2 + 0.2)
  })
  return start
}
