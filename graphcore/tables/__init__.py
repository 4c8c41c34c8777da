"""Values in columns: Arrow tables, data frames, and the files that `record` writes.

`columns` turns Python values into a column, `decode` turns a column back into values, and `arrays`
makes a column of values whose type is not known. `recording` writes a file, `playback` reads one.
"""
