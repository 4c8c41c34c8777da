"""The families of operators: for each a mixin of `Stream`, whose methods make the nodes."""
