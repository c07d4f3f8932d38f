// Keeping data apart from control, as smvl/processing/control_text.py does: what a user types can never become a special token.
//
// Every character with which a token begins in somebody's words is exchanged for a stand-in before the template is rendered; whatever
// matches a token afterwards was written by the template. The words are tokenized by a tokenizer that has no added tokens.

const PRIVATE_USE = [0xe000, 0xf8ff]
const OPENING = '<|im_start|>assistant\n'
const OPENINGS = [`${OPENING}<think>\n\n</think>\n\n`, OPENING]
const WRITTEN_BY_ASSISTANTS = ['<think>', '</think>', '<tool_call>', '</tool_call>']

export class ControlText {
  /** Of tokenizer.json, and two tokenizers made of it: one as it is, one without its added tokens. */
  constructor({ added_tokens }, tokenizer, words) {
    this.tokenizer = tokenizer
    this.words = words
    this.tokens = added_tokens.map(({ content }) => content).sort((one, other) => other.length - one.length)
    this.firsts = [...new Set(this.tokens.map(([first]) => first))]
    this.control = new RegExp(`(${[...OPENINGS, ...this.tokens].map(escape).join('|')})`)
  }

  /** Ids of the prompt for an answer to messages whose content is a list of parts or a text; `imageIds` stand in the place of an image. */
  promptIds(messages, imageToken, imageIds) {
    const standIns = this.#chooseStandIns(JSON.stringify(messages))
    const original = new Map([...standIns].map(([first, standIn]) => [standIn, first]))
    const guarded = messages.map(({ role, content }) => {
      const tokens = role === 'assistant' ? this.tokens.filter((token) => !WRITTEN_BY_ASSISTANTS.includes(token)) : this.tokens
      const guard = (text) => withoutTokens(text, tokens, standIns)
      return { role, content: typeof content === 'string' ? guard(content) : content.map((part) => guardPart(part, guard)) }
    })
    const rendered = this.tokenizer.apply_chat_template(guarded, { tokenize: false, add_generation_prompt: true, enable_thinking: false })
    return rendered.split(this.control).flatMap((piece, index) => {
      if (piece === imageToken) return imageIds
      if (index % 2) return this.tokenizer.encode(piece, { add_special_tokens: false })
      return this.words.encode([...piece].map((letter) => original.get(letter) ?? letter).join(''), { add_special_tokens: false })
    })
  }

  #chooseStandIns(used) {
    const free = []
    for (let code = PRIVATE_USE[0]; code <= PRIVATE_USE[1] && free.length < this.firsts.length; code++) {
      if (!used.includes(String.fromCharCode(code))) free.push(String.fromCharCode(code))
    }
    if (free.length < this.firsts.length) throw new Error('对话里用到了所有私用区字符(U+E000 至 U+F8FF),请去掉一些。')
    return new Map(this.firsts.map((first, index) => [first, free[index]]))
  }
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function guardPart(part, guard) {
  return part.type === 'text' ? { ...part, text: guard(part.text) } : part
}

/** The text with a stand-in wherever a token begins in it, also one that the text ends within: another may follow and go on with it. */
function withoutTokens(text, tokens, standIns) {
  const end = text.trimEnd().length // a template may trim it
  let place = 0
  let result = ''
  for (const letter of text) {
    const begins = standIns.has(letter) && tokens.some((token) => text.startsWith(token, place) || token.startsWith(text.slice(place, end)))
    result += begins ? standIns.get(letter) : letter
    place += letter.length
  }
  return result
}
