"""What a stock layout is: how a picture becomes pixels and text, which positions its tokens have, and where its features enter the model.

Each layout is a room of its own, in two halves: `pictures` knows sizes, pixels and text and needs no torch; `modules` knows the model. Only
here does code ask which layout a model or a processor has; everybody else asks what the layout does (`pictures.Pictures`,
`modules.ModelLayout`).
"""
