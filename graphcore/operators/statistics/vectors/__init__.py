"""Statistics of vectors: numpy arrays of one length, taken element by element, and matrices.

`window` has what the twins of nodes share: a twin does for vectors what the node does for numbers.
`elements` gives a window any figure, by a state of its own for each element. `moments`, `extremes`
and `ewm` have the figures whose state is arrays, which are faster, and `matrix` those of all pairs
of elements. `twins` says which node has which twin. numpy is optional, so this package is imported
when the first vector comes.
"""
