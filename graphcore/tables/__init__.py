"""Values in columns: Arrow tables, data frames, and the files that `record` writes.

`columns` says what a Python value becomes in a column, `decode` makes the value again; `arrays`
makes a column of values of unknown type. `recording` writes a file, `playback` reads one.
"""
