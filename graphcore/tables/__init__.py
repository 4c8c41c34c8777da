"""Values in columns: Arrow tables, data frames, and files of them.

`columns` turns Python values into a column, `decode` turns a column back into values, and `arrays`
makes a column of values whose type is not known. `writing` writes files, and `recording` has the
sinks that do so. `read` makes sources of tables and files.
"""
