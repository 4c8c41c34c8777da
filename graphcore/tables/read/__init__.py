"""Tables in: files and what other libraries hold, opened, read in pieces, and made events.

`playback` is the face. A table is opened by `files` or `csv_files`, gets the columns of its
`folders`, becomes `rows` with times, and several are one by `merging`.
"""
