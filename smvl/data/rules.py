"""The rules that a row must keep, one line each: what breaks it, and what to do. Names are stable: they stand in `quarantine.jsonl`.

A row that breaks one goes into quarantine with its rule and a reason that says what was found. tests/test_rules.py breaks every one.
"""

RULES = {
    # how the row is written
    "broken JSON": "the line or list entry is not JSON: escape quotes and line breaks, and write UTF-8",
    "row form": "the row, or the column that holds its conversation, has the wrong type: write an object with a list of messages",
    "unknown layout": "no known layout has these columns: rename them as the table in smvl/data/sources/layouts.py says",
    "column type": "a column holds something else than text where text belongs: write a string, or null",
    "row id": "the id is not a short text or a number: another column may stand in its place",
    "text encoding": "a text holds half a surrogate pair or a NUL, which is no text: decode the source file correctly",
    # the conversation
    "no messages": "the conversation is empty or null",
    "message form": "a message has no role: write role and content, or from and value",
    "message switch": "a message asks to be left out of the loss, which cannot be done by message: leave that turn out of the data",
    "unknown role": "a message is nobody's: use system, user, assistant or tool, or one of their other names",
    "system position": "a system message stands behind the first place: move it there, or make it the user's",
    "turn order": "the assistant speaks first, or twice in a row: the question in between is missing",
    "content form": "a content is neither a string nor a list of parts",
    "content part": "a part is neither text nor an image: video and audio are not read",
    "no question": "no message is the user's",
    "empty question": "a user's message has neither text nor image",
    "no answer": "the last message is not the assistant's: cut the conversation behind its last answer",
    "empty answer": "an assistant's message has neither text nor a tool call",
    "nothing supervised": "no token of the row is asked of the model",
    "too long": "even one turn with one tile an image is longer than data.max_length, or has more tiles than data.max_tiles",
    # tools
    "tools form": "the tools are not a list of function schemas, or not JSON",
    "tool call form": "a tool call is not an object with a function, or not JSON",
    "tool call name": "a tool call names no function",
    "tool call arguments": "the arguments of a tool call are not a JSON object",
    "tool result": "a tool's message answers no call of the assistant's",
    # images
    "image count": "there are more or fewer places for images than images: write one <image> or image part for each",
    "image in answer": "an assistant's message holds an image: the model writes text only",
    "image in text": "a source with text: true has a row with an image: drop `text: true`, or the row",
    "image form": "an image is given as something that is none: give a path, bytes, base64 or a datasets image",
    "image URL": "an image stands behind an address of the web, and nothing is fetched while training: download it first",
    "image path": "an image's path leads out of the data folder: put it inside, or give the folder that holds both as path",
    "image base64": "the base64 of an image is damaged",
    "missing image": "there is no such file, or null stands in the place of an image",
    "empty image": "an image has no bytes: it was never written, or its download was cut off",
    "unreadable image": "the file is not an image, or of a kind that Pillow does not read",
    "damaged image": "an image is cut short or its data is broken",
    "image too large": "an image declares more pixels than are read: a decompression bomb, or a scan to be scaled down",
    "image shape": "an image is a line: one pixel wide or high, or more than 200 times as long as wide",
}


class SampleError(ValueError):
    """A row that cannot be used: `rule` is the one of `RULES` that it breaks, the message says how and what to do."""

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule = rule
