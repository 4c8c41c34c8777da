"""Statistics of windows: node classes, a file for each kind of figure.

`Window` decides which values count; a class for each figure says what a value does to its state as
it enters and as it leaves. The compiler inlines these methods, so a figure is one function on both
tiers.
"""
