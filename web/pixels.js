// The pixels that the model reads of a picture: the very numbers of this project's own processor, which are those that it learned from.
//
// A browser scales pictures with a filter of its own choice, and transformers.js lets it. What follows is instead the arithmetic of Pillow's
// Lanczos filter (Resample.c: weights of 22 binary digits, bytes between the two directions), and the steps of SmolVLM's image processor in
// transformers: to the longest edge, up to whole tiles, cut, and a squeezed view of the whole.

const LANCZOS = 1 // Pillow's number for it
const DIGITS = 22
const RADIUS = 3
const CHANNELS = 3

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI))
const lanczos = (x) => (-RADIUS <= x && x < RADIUS ? sinc(x) * sinc(x / RADIUS) : 0)

/** What each of `to` pixels takes from `from`: the first that it takes from, and the weights. */
function weightsOf(from, to) {
  const scale = from / to
  const widening = Math.max(scale, 1)
  const support = RADIUS * widening
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale
    const first = Math.max(Math.trunc(center - support + 0.5), 0)
    const end = Math.min(Math.trunc(center + support + 0.5), from)
    const values = Array.from({ length: end - first }, (_, tap) => lanczos((tap + first - center + 0.5) * (1 / widening)))
    const sum = values.reduce((all, value) => all + value, 0)
    const weights = values.map((value) => Math.trunc((value / sum) * (1 << DIGITS) + (value / sum < 0 ? -0.5 : 0.5)))
    return { first, weights: Int32Array.from(weights) }
  })
}

/** (outer, from, inner) bytes -> (outer, to, inner). */
function resample(source, outer, from, inner, to) {
  const scaled = new Uint8ClampedArray(outer * to * inner)
  weightsOf(from, to).forEach(({ first, weights }, place) => {
    for (let line = 0; line < outer; line++) {
      for (let column = 0; column < inner; column++) {
        let sum = 1 << (DIGITS - 1)
        let index = (line * from + first) * inner + column
        for (let tap = 0; tap < weights.length; tap++, index += inner) sum += source[index] * weights[tap]
        scaled[(line * to + place) * inner + column] = sum >> DIGITS // the array keeps it within a byte
      }
    }
  })
  return scaled
}

/** A picture of `data` (height, width, 3) in another size: across first, or down first where that leaves far less to be done. */
export function resize(picture, newHeight, newWidth) {
  const { height, width } = picture
  const isDownFirst = newHeight < height && height - newHeight > 2 * (width - newWidth) // as Pillow 13 chooses; bytes are rounded in between
  return isDownFirst ? across(down(picture, newHeight), newWidth) : down(across(picture, newWidth), newHeight)
}

function across({ data, height, width }, newWidth) {
  const scaled = newWidth === width ? data : resample(data, height, width, CHANNELS, newWidth)
  return { data: scaled, height, width: newWidth }
}

function down({ data, height, width }, newHeight) {
  const scaled = newHeight === height ? data : resample(data, 1, height, width * CHANNELS, newHeight)
  return { data: scaled, height: newHeight, width }
}

function sizeAtLongestEdge({ height, width }, longestEdge) {
  const even = (edge) => Math.max(edge + (edge % 2), 1)
  const ratio = width / height
  if (width >= height) return [even(Math.trunc(longestEdge / ratio)), longestEdge]
  return [longestEdge, even(Math.trunc(longestEdge * ratio))]
}

function sizeInWholeTiles({ height, width }, tile) {
  const whole = (edge) => Math.ceil(edge / tile) * tile
  const ratio = width / height
  if (width >= height) return [whole(Math.trunc(whole(width) / ratio)), whole(width)]
  return [whole(height), whole(Math.trunc(whole(height) * ratio))]
}

function crop({ data, width }, top, left, tile) {
  const cut = new Uint8ClampedArray(tile * tile * CHANNELS)
  for (let row = 0; row < tile; row++) {
    const start = ((top + row) * width + left) * CHANNELS
    cut.set(data.subarray(start, start + tile * CHANNELS), row * tile * CHANNELS)
  }
  return { data: cut, height: tile, width: tile }
}

/** Rounds to float32 after each step, as the processor does. */
function normalised(byte, { rescale_factor, image_mean, image_std }, channel) {
  const { fround } = Math
  return fround(fround(fround(byte * rescale_factor) - fround(image_mean[channel])) / fround(image_std[channel]))
}

/**
 * Scale, cut and normalise a picture.
 * @param picture `data` (height, width, 3) of bytes, `height` and `width`.
 * @param settings What stands in preprocessor_config.json.
 * @returns `values` (tiles, 3, side, side) float32, and the grid; `rows` and `columns` are 0 where there is the view of the whole alone.
 */
export function tilesOf(picture, settings) {
  if (settings.resample !== LANCZOS) throw new Error(`resample is ${settings.resample}; expected ${LANCZOS} (Lanczos)`)
  const side = settings.max_image_size.longest_edge
  const scaled = resize(picture, ...sizeAtLongestEdge(picture, settings.size.longest_edge))
  const whole = resize(scaled, ...sizeInWholeTiles(scaled, side))
  const isCut = whole.height > side || whole.width > side
  const [rows, columns] = isCut ? [whole.height / side, whole.width / side] : [0, 0]
  const tiles = []
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) tiles.push(crop(whole, row * side, column * side, side))
  }
  tiles.push(isCut ? resize(whole, side, side) : whole)
  const area = side * side
  const table = [0, 1, 2].map((channel) => Float32Array.from({ length: 256 }, (_, byte) => normalised(byte, settings, channel)))
  const values = new Float32Array(tiles.length * CHANNELS * area)
  tiles.forEach(({ data }, tile) => {
    data.forEach((byte, index) => {
      const channel = index % CHANNELS
      values[(tile * CHANNELS + channel) * area + (index - channel) / CHANNELS] = table[channel][byte]
    })
  })
  return { values, numTiles: tiles.length, side, rows, columns }
}
