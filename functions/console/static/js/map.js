// The map: Leaflet for moving about, two canvases for everything drawn. No DOM node per thing, no WebGL.

/* global L */
const EARTH_M = 6378137
const TAU = 2 * Math.PI
const RAD = Math.PI / 180
const inks = new Map()
const css = (name) => {
  if (!inks.has(name)) inks.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim())
  return inks.get(name)
}

const Painted = L.Renderer.extend({
  options: { padding: 0.3 },
  initialize(paint, options) {
    L.Renderer.prototype.initialize.call(this, options)
    this._paint = paint
  },
  _initContainer() {
    this._container = document.createElement('canvas')
    this._container.className = 'leaflet-zoom-animated'
    this._container.setAttribute('aria-hidden', 'true')
    this._context = this._container.getContext('2d')
  },
  _destroyContainer() {
    L.Util.cancelAnimFrame(this._frame)
    this._container.remove()
  },
  _updatePaths() {},
  // Only a moved map gets a new canvas; while dragging, CSS moves the old one.
  _update() {
    if (this._map._animatingZoom && this._bounds) return
    L.Renderer.prototype._update.call(this)
    const size = this._bounds.getSize()
    const ratio = window.devicePixelRatio || 1
    L.DomUtil.setPosition(this._container, this._bounds.min)
    if (this._container.width !== size.x * ratio || this._container.height !== size.y * ratio) {
      this._container.width = size.x * ratio
      this._container.height = size.y * ratio
      this._container.style.width = `${size.x}px`
      this._container.style.height = `${size.y}px`
    }
    this.paint()
  },
  paint() {
    if (!this._map || !this._bounds || this._map._animatingZoom) return
    const ratio = window.devicePixelRatio || 1
    const { min } = this._bounds
    const size = this._bounds.getSize()
    const c = this._context
    c.setTransform(ratio, 0, 0, ratio, 0, 0)
    c.clearRect(0, 0, size.x, size.y)
    c.setTransform(ratio, 0, 0, ratio, -min.x * ratio, -min.y * ratio)
    const origin = this._map.getPixelOrigin()
    const scale = 256 * 2 ** this._map.getZoom()
    const view = {
      c,
      inside: (x, y, margin = 20) =>
        x > min.x - margin && y > min.y - margin && x < min.x + size.x + margin && y < min.y + size.y + margin,
      x: (lon) => scale * (lon / 360 + 0.5) - origin.x,
      y: (lat) => scale * (0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * RAD) / 2)) / TAU) - origin.y,
      px: (metres, lat) => (metres * scale) / (TAU * EARTH_M * Math.cos(lat * RAD)),
      zoom: this._map.getZoom(),
    }
    this._paint(view)
  },
  soon() {
    L.Util.cancelAnimFrame(this._frame)
    this._frame = L.Util.requestAnimFrame(this.paint, this)
  },
})

// onFault(layer, error): a layer that cannot be drawn must be seen, or a screen looks normal without it.
export function cityMap(node, { onFault, interactive = true }) {
  const map = L.map(node, {
    zoomControl: false,
    attributionControl: false,
    keyboard: interactive,
    dragging: interactive,
    scrollWheelZoom: interactive,
    doubleClickZoom: interactive,
    zoomSnap: 0.5,
    fadeAnimation: false,
    zoomAnimation: interactive,
    preferCanvas: true,
    minZoom: 11,
    maxZoom: 19,
  })
  let base = { streets: [], boundary: [], neighbours: [], parks: [] }
  let scene = {}
  let frame = null
  const steps = [
    ['groups', paintGroups],
    ['scanners', paintScanners],
    ['reach', paintReach],
    ['track', paintTrack],
    ['position', paintPosition],
    ['evidence', paintEvidence],
    ['cameras', paintCameras],
    ['replay', paintReplay],
    ['label', paintLabel],
  ]
  const guard = (name, view, step) => {
    view.c.save()
    try {
      step(view)
    } catch (error) {
      onFault(name, error)
    }
    view.c.restore()
  }
  const ground = new Painted((view) => guard('ground', view, (v) => paintGround(v, base)))
  const top = new Painted((view) => {
    for (const [name, step] of steps) {
      if (scene.layers?.[name] !== false) guard(name, view, (v) => step(v, scene, frame))
    }
  })
  map.setView([37.5, 127], 14, { animate: false })
  ground.addTo(map)
  top.addTo(map)
  if (interactive) L.control.scale({ imperial: false, position: 'bottomright', maxWidth: 120 }).addTo(map)

  const hits = () => scene.badges || []
  map.on('click', ({ layerPoint }) => {
    const hit = hits().find((badge) => Math.hypot(badge.x - layerPoint.x, badge.y - layerPoint.y) < 18)
    if (hit) scene.onCamera?.(hit.camera_id)
  })
  return {
    map,
    district(district) {
      base = { ...base, boundary: district.boundary, neighbours: district.neighbours ?? [], name: district.name }
      map.fitBounds(L.latLngBounds(district.boundary), { animate: false, padding: [10, 10] })
      ground.soon()
    },
    ground(drawn) {
      base = { ...base, ...drawn }
      ground.soon()
    },
    show(next) {
      scene = next
      top.soon()
    },
    frame(next) {
      frame = next
      top.soon()
    },
    look(lat, lon, zoom = 17) {
      map.setView([lat, lon], Math.max(zoom, 0), { animate: interactive, duration: 0.25 })
    },
    fit(points) {
      if (points.length) map.fitBounds(L.latLngBounds(points).pad(0.35), { animate: false, maxZoom: 17 })
    },
    zoom: (step) => map.setZoom(map.getZoom() + step),
    resized: () => map.invalidateSize({ animate: false }),
    remove: () => map.remove(),
  }
}

// The deployer's streets and parks, asked for until they come; a district without any has its border alone.
export function groundOf(tenant_id, draw) {
  let timer = 0
  async function ask() {
    try {
      const index = await (await fetch('static/map/index.json')).json()
      if (index[tenant_id]) draw(await (await fetch(`static/map/${index[tenant_id]}`)).json())
    } catch {
      timer = setTimeout(ask, 5000)
    }
  }
  ask()
  return () => clearTimeout(timer)
}

function line(v, points, close = false) {
  v.c.beginPath()
  for (const [lat, lon] of points) v.c.lineTo(v.x(lon), v.y(lat))
  if (close) v.c.closePath()
}

function paintGround(v, base) {
  const { c } = v
  c.fillStyle = css('--map-park')
  for (const park of base.parks) {
    line(v, park, true)
    c.fill()
  }
  c.lineCap = 'round'
  c.strokeStyle = css('--map-street')
  for (const wide of [false, true]) {
    c.lineWidth = wide ? Math.max(1.5, v.px(9, 37.5)) : Math.max(0.7, v.px(4, 37.5))
    if (wide) c.strokeStyle = css('--map-road')
    c.beginPath()
    for (const street of base.streets) {
      if (Boolean(street.wide) !== wide) continue
      street.line.forEach(([lat, lon], i) => (i ? c.lineTo(v.x(lon), v.y(lat)) : c.moveTo(v.x(lon), v.y(lat))))
    }
    c.stroke()
  }
  c.lineWidth = 2
  c.setLineDash([8, 6])
  c.strokeStyle = css('--map-border')
  for (const neighbour of base.neighbours) {
    line(v, neighbour.boundary, true)
    c.stroke()
  }
  if (base.boundary.length) {
    c.setLineDash([])
    c.lineWidth = 2.5
    line(v, base.boundary, true)
    c.stroke()
  }
}

const SHAPES = ['circle', 'diamond', 'triangle', 'hollow']
const GROUP_INK = ['--group', '--amber', '--red', '--muted']

export function shape(c, kind, x, y, r) {
  c.beginPath()
  if (kind === 'circle' || kind === 'hollow') c.arc(x, y, r, 0, TAU)
  else if (kind === 'diamond') c.moveTo(x, y - r * 1.3), c.lineTo(x + r * 1.3, y), c.lineTo(x, y + r * 1.3), c.lineTo(x - r * 1.3, y)
  else if (kind === 'triangle') c.moveTo(x, y - r * 1.3), c.lineTo(x + r * 1.2, y + r), c.lineTo(x - r * 1.2, y + r)
  else c.rect(x - r, y - r, 2 * r, 2 * r)
  c.closePath()
}

function paintGroups(v, scene, frame) {
  if (!frame) return
  const { c } = v
  const big = v.zoom >= 14.5 && frame.key.length < 400
  for (let state = 0; state < 4; state += 1) {
    c.fillStyle = c.strokeStyle = css(GROUP_INK[state])
    c.lineWidth = 1.5
    for (let i = 0; i < frame.key.length; i += 1) {
      if (frame.state[i] !== state) continue
      const [x, y] = [v.x(frame.lon[i]), v.y(frame.lat[i])]
      if (!v.inside(x, y)) continue
      shape(c, SHAPES[state], x, y, big ? 6 : 3)
      if (state === 3) c.stroke()
      else c.fill()
    }
  }
  if (!big) return
  c.font = `600 12px ${css('--font')}`
  c.textAlign = 'left'
  c.textBaseline = 'middle'
  for (let i = 0; i < frame.key.length; i += 1) {
    const [x, y] = [v.x(frame.lon[i]), v.y(frame.lat[i])]
    if (v.inside(x, y)) label(c, String(frame.children[i]), x + 10, y, css('--ink'))
  }
}

function label(c, text, x, y, ink) {
  c.lineWidth = 4
  c.lineJoin = 'round'
  c.strokeStyle = css('--map-ground')
  c.strokeText(text, x, y)
  c.fillStyle = ink
  c.fillText(text, x, y)
}

// Alive and quiet: small square. Heard the beacon: ringed. Alive and silent about it: barred. Dark: grey cross.
function paintScanners(v, scene) {
  const { c } = v
  const heard = new Set(scene.position?.heard ?? [])
  const silent = new Set(scene.position?.silent ?? [])
  const small = v.zoom < 15 ? 2 : 3.5
  for (const scanner of scene.scanners ?? []) {
    const [x, y] = [v.x(scanner.lon), v.y(scanner.lat)]
    if (!v.inside(x, y)) continue
    if (scanner.dark) {
      c.strokeStyle = css('--dark-scanner')
      c.lineWidth = 2
      c.beginPath()
      c.moveTo(x - small - 1, y - small - 1)
      c.lineTo(x + small + 1, y + small + 1)
      c.moveTo(x + small + 1, y - small - 1)
      c.lineTo(x - small - 1, y + small + 1)
      c.stroke()
      continue
    }
    c.fillStyle = css('--scanner')
    shape(c, 'square', x, y, small)
    c.fill()
    if (heard.has(scanner.scanner_id)) {
      c.strokeStyle = css('--heard')
      c.lineWidth = 2
      shape(c, 'circle', x, y, small + 5)
      c.stroke()
    } else if (silent.has(scanner.scanner_id)) {
      c.strokeStyle = css('--ink')
      c.lineWidth = 1.5
      c.beginPath()
      c.moveTo(x - small - 4, y + small + 4)
      c.lineTo(x + small + 4, y - small - 4)
      c.stroke()
    }
  }
}

// How far the child can be by now: grows on screen until something is heard or seen.
function paintReach(v, scene) {
  const reach = scene.position?.reach
  if (!reach || scene.replay) return
  const { c } = v
  const since_s = Math.max(0, (scene.now() - scene.position.seen_ms) / 1000)
  const radius = v.px(reach.radius_m + (reach.speed_mps ?? 0) * since_s, reach.lat)
  c.setLineDash([2, 7])
  c.lineCap = 'round'
  c.lineWidth = 3
  c.strokeStyle = css('--reach')
  shape(c, 'circle', v.x(reach.lon), v.y(reach.lat), radius)
  c.stroke()
  c.globalAlpha = 0.05
  c.fillStyle = css('--reach')
  c.fill()
}

function paintTrack(v, scene) {
  const points = (scene.track ?? []).slice(0, scene.replay ? scene.replay.index + 1 : undefined)
  if (points.length < 2) return
  const { c } = v
  c.strokeStyle = css('--ink')
  c.lineJoin = 'round'
  c.lineWidth = 2
  line(v, points.map(({ lat, lon }) => [lat, lon]))
  c.stroke()
  c.fillStyle = css('--ink')
  for (const { lat, lon } of points) {
    shape(c, 'circle', v.x(lon), v.y(lat), 2.5)
    c.fill()
  }
}

function ellipse(v, e, lat, lon) {
  v.c.beginPath()
  const turn = (e.bearing_deg - 90) * RAD
  v.c.ellipse(v.x(lon), v.y(lat), v.px(e.semi_major_m, lat), v.px(e.semi_minor_m, lat), turn, 0, TAU)
}

function paintPosition(v, scene) {
  const at = scene.position
  if (!at || scene.replay) return
  const { c } = v
  const old = scene.now() - at.at_ms > 60_000
  c.strokeStyle = css('--case')
  c.lineWidth = 2
  c.fillStyle = css('--case-area')
  c.setLineDash([7, 5])
  const far = at.ellipse95
  ellipse(v, far, far.lat ?? at.lat, far.lon ?? at.lon)
  if (!old) c.fill()
  c.stroke()
  c.setLineDash([])
  const near = at.ellipse50
  ellipse(v, near, near.lat ?? at.lat, near.lon ?? at.lon)
  c.stroke()
  target(v, at.lat, at.lon, old)
}

// A fix older than 60 s is hollow: nobody should read it as "there now".
function target(v, lat, lon, hollow) {
  const { c } = v
  const [x, y] = [v.x(lon), v.y(lat)]
  c.strokeStyle = css('--ink')
  c.lineWidth = 2.5
  c.beginPath()
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    c.moveTo(x + dx * 9, y + dy * 9)
    c.lineTo(x + dx * 16, y + dy * 16)
  }
  c.stroke()
  shape(c, 'circle', x, y, 7)
  c.fillStyle = hollow ? css('--map-ground') : css('--case')
  c.fill()
  c.stroke()
}

// Three kinds of evidence stay apart: heard is the target above, seen a square, reported a triangle.
function paintEvidence(v, scene) {
  if (scene.replay) return
  const { c } = v
  c.font = `600 13px ${css('--font')}`
  c.textBaseline = 'middle'
  for (const kind of ['seen', 'reported']) {
    const evidence = scene.evidence?.[kind]
    if (!evidence) continue
    const [x, y] = [v.x(evidence.lon), v.y(evidence.lat)]
    c.lineWidth = 2
    c.strokeStyle = css(`--${kind}`)
    shape(c, 'circle', x, y, v.px(evidence.radius_m, evidence.lat))
    c.setLineDash([2, 4])
    c.stroke()
    c.setLineDash([])
    shape(c, kind === 'seen' ? 'square' : 'triangle', x, y, 7)
    c.fillStyle = css(`--${kind}`)
    c.fill()
    c.strokeStyle = css('--map-ground')
    c.stroke()
    c.textAlign = 'left'
    label(c, evidence.label, x + 13, y, css(`--${kind}`))
  }
}

const BADGE = 13

function paintCameras(v, scene) {
  const { c } = v
  const badges = (scene.cameras ?? []).map((camera, i) => {
    const [x, y] = [v.x(camera.lon), v.y(camera.lat)]
    return { camera_id: camera.camera_id, n: i + 1, x, y, home_x: x, home_y: y, camera }
  })
  for (const { camera, home_x, home_y } of badges) {
    const half = (Math.min(359, camera.field_of_view_deg) / 2) * RAD
    const aim = (camera.heading_deg - 90) * RAD
    c.beginPath()
    c.moveTo(home_x, home_y)
    c.arc(home_x, home_y, v.px(camera.range_m, camera.lat), aim - half, aim + half)
    c.closePath()
    c.globalAlpha = 0.16
    c.fillStyle = css('--badge')
    c.fill()
    c.globalAlpha = 1
  }
  const keep = scene.position && !scene.replay ? [{ x: v.x(scene.position.lon), y: v.y(scene.position.lat) }] : []
  apart(badges, keep)
  c.textAlign = 'center'
  c.textBaseline = 'middle'
  for (const badge of badges) {
    c.strokeStyle = css('--badge')
    c.lineWidth = 1.5
    c.beginPath()
    c.moveTo(badge.home_x, badge.home_y)
    c.lineTo(badge.x, badge.y)
    c.stroke()
    const chosen = badge.camera_id === scene.camera
    shape(c, 'circle', badge.x, badge.y, chosen ? BADGE + 2 : BADGE)
    c.fillStyle = css('--badge')
    c.fill()
    c.lineWidth = chosen ? 4 : 2
    c.strokeStyle = chosen ? css('--ink') : css('--map-ground')
    c.stroke()
    c.fillStyle = css('--on-badge')
    c.font = `700 14px ${css('--font')}`
    c.fillText(String(badge.n), badge.x, badge.y + 1)
  }
  scene.badges = badges
}

// Badges that overlap push each other away; a leader line keeps them honest.
function apart(badges, keep) {
  for (let round = 0; round < 30; round += 1) {
    let moved = false
    badges.forEach((a, i) => {
      for (const b of [...badges.slice(i + 1), ...keep]) {
        const [dx, dy] = [a.x - b.x || 0.1 * (i + 1), a.y - b.y || 0.1]
        const gap = Math.hypot(dx, dy)
        const want = 2 * BADGE + 3
        if (gap >= want) continue
        moved = true
        const push = (want - gap) / 2 / gap
        a.x += dx * push
        a.y += dy * push
        if (b.n) {
          b.x -= dx * push
          b.y -= dy * push
        }
      }
    })
    if (!moved) return
  }
}

// The age stands on a plate over everything, above the badges: it is the first thing to read.
function paintLabel(v, scene) {
  if (!scene.positionLabel || !scene.position || scene.replay) return
  const { c } = v
  c.font = `700 14px ${css('--font')}`
  c.textAlign = 'left'
  c.textBaseline = 'middle'
  const wide = c.measureText(scene.positionLabel).width + 16
  const [x, y] = [v.x(scene.position.lon) - wide / 2, v.y(scene.position.lat) + 24]
  c.fillStyle = css('--ground')
  c.strokeStyle = css('--case')
  c.lineWidth = 1.5
  c.beginPath()
  c.roundRect(x, y, wide, 24, 5)
  c.fill()
  c.stroke()
  c.fillStyle = css('--ink')
  c.fillText(scene.positionLabel, x + 8, y + 13)
}

function paintReplay(v, scene) {
  if (!scene.replay) return
  const { c } = v
  const point = scene.track[scene.replay.index]
  c.setLineDash([7, 5])
  c.lineWidth = 2
  c.strokeStyle = css('--ink')
  shape(c, 'circle', v.x(point.lon), v.y(point.lat), v.px(point.radius_m, point.lat))
  c.stroke()
  c.setLineDash([])
  target(v, point.lat, point.lon, true)
}
