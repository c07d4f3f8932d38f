// What of a model's text is shown: a closing </think> with which an answer begins is left out, as small models write the end of the empty
// block, which the prompt ends with, once more. Further on it is a word. The same as smvl/infer/text_stream.py does.

const CLOSING = '</think>'

/** The text without closings at its beginning; nothing while more text may make it one. */
export function afterClosings(text, isWhole = false) {
  let words = text.trimStart()
  while (words.startsWith(CLOSING)) {
    text = words.slice(CLOSING.length).replace(/^\n+/, '')
    words = text.trimStart()
  }
  return !isWhole && CLOSING.startsWith(words) ? '' : text
}
