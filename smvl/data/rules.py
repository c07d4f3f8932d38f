"""The rules that a row must keep, one line each: what breaks it, and what to do. Names are stable: they stand in `quarantine.jsonl`.

A row that breaks one goes into quarantine with its rule and a reason that says what was found. tests/test_rules.py breaks every one.
"""

RULES = {
    # how the row is written
    "broken JSON": "the line or list entry is not JSON, or has a key twice: escape quotes and line breaks, keep one of the keys",
    "row form": "the row, or a column of it, has the wrong form: write an object with a list of messages, or a cell for each column",
    "unread words": "words stand beside those that are read: write them into a message, or leave the column out",
    "unknown layout": "no known layout has these columns: rename them as the table in smvl/data/sources/layouts.py says",
    "column type": "a column holds something else than text where text belongs: write a string, or null",
    "row id": "the id is not a short text or a number: another column may stand in its place",
    "text encoding": "a text is not UTF-8, or holds half a surrogate pair, a NUL or private characters by the thousand: convert the file",
    # the conversation
    "no messages": "the conversation is empty or null: write at least a question and an answer",
    "message form": "a message has no role: write role and content, or from and value",
    "message switch": "a switch of the loss is neither on nor off, or has a name that is not read, or the row is off: write `loss: 0` or 1",
    "rejected answer": "the row says that its answer is a bad one, as data about preferences does: leave it out",
    "grounding boxes": "a place in the text stands for boxes in another column, which are not read: write the coordinates into the text",
    "unknown role": "a message is nobody's: use system, user, assistant or tool, or one of their other names",
    "system position": "a system message stands behind the first place: move it there, or make it the user's",
    "turn order": "the assistant speaks first, or twice in a row: put the question in between, or cut the conversation there",
    "content form": "a content is neither a string nor a list of parts: write one of them",
    "content part": "a part is neither text nor an image: take video and audio out, they are not read",
    "no question": "no message is the user's: put the question before the answer",
    "empty question": "a user's message has neither text nor image: write the question, or leave the row out",
    "no answer": "the last message is not the assistant's: cut the conversation behind its last answer",
    "empty answer": "an assistant's message has neither text nor a tool call, but thinking at most: write the answer, or leave the row out",
    "nothing supervised": "no token of the row is asked of the model: an answer must hold more than its markers",
    "chat template": "the model's chat template leaves out tools, a call or a message, or refuses the row: take them or the row out",
    "too long": "the last turn alone, with one tile an image, is over data.max_length or data.max_tiles, or the row is endless: cut it",
    # tools
    "tools form": "the tools are not a list of function schemas, or stand under a name that is not read: write OpenAI's form in `tools`",
    "tool call form": "a tool call is not an object with a function, or not JSON: write {name, arguments}",
    "tool call name": "a tool call names no function: write its name",
    "tool call arguments": "the arguments of a tool call are not a JSON object: write one, {} where there are none",
    "tool result": "a tool's message answers no call of the assistant's: put the call before it, with the same id",
    # images
    "image count": "there are more or fewer places for images than images: write one <image> or image part for each",
    "image in answer": "an assistant's message holds an image: the model writes text only",
    "unread image": "images stand under a name that is not read: name the column `images`, or drop it",
    "image in text": "a source with text: true has a row with an image: drop `text: true`, or the row",
    "image form": "an image is given as something that is none: give a path, bytes, base64 or a datasets image",
    "image URL": "an image stands behind an address of the web, and nothing is fetched while training: download it first",
    "image path": "an image's path leads out of the data folder: put it inside, or give the folder that holds both as path",
    "image base64": "the base64 of an image is damaged: encode the image again, as a whole",
    "missing image": "there is no such file, or null stands in the place of an image: mend the path, or download the images",
    "empty image": "an image has no bytes, as after a download that was cut off: fetch or write it again",
    "unreadable image": "the file is not an image, or of a kind that Pillow does not read: replace it, or save it as PNG or JPEG",
    "damaged image": "an image is cut short or its data is broken: download or save it again",
    "image too large": "an image declares more pixels than are read, as decompression bombs do: scale it down, or take it out",
    "image shape": "an image is a line, one pixel wide or 200 times as long as wide: cut it into pieces, or take it out",
}


class SampleError(ValueError):
    """A row that cannot be used: `rule` is the one of `RULES` that it breaks, the message says how and what to do."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule = rule
