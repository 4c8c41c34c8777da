"""Values in columns: Arrow tables, data frames, and files of them.

`columns` turns Python values into a column, `decode` turns a column back into values, and `arrays`
makes a column of values whose type is not known. `writing` writes files, and `recording` has the
sinks that do so. `files` opens files, `rows` turns their batches into events, `merging` puts
several files in order of time, and `playback` makes sources of all that.
"""
