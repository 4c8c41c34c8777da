"""Values in columns: Arrow tables, data frames, and the files that `record` writes.

`columns` turns Python values into a column, `decode` turns a column back into values, and `arrays`
makes a column of values whose type is not known. `recording` writes a file. `files` opens files,
`rows` turns their batches into events, `merging` puts several files in order of time, and
`playback` makes sources of all that.
"""
