"""Writes what is changed between two runs of one graph, as a notebook or autoreload would."""

from tests.differential.draw import Picks
from tests.differential.programs.classes import Shape, Writer, write_cycle
from tests.differential.programs.wiring import Wiring


def write_change(picks: Picks, wiring: Wiring, shapes: list[Shape]) -> str:
    """Write a change: statements that run in the program's names."""
    shape = picks.of(shapes)
    name = shape.name
    of_class = [f"S[{number}].node" for number, each in wiring.of_class.items() if each is shape]
    node = picks.of(of_class) if of_class else "S[0].node"
    defined = [text.split()[1].partition("(")[0] for text in wiring.functions if "def" in text]
    function = picks.of([f for f in defined if f.startswith("f")] or ["events"])
    cycle = "\n".join(write_cycle(Writer(picks, shape), "self, state", 0))
    forms = [
        "G = 7",
        "pass",
        "K = 'text'",
        "globals().pop('G', None)",
        "def events(x): return x + 50",
        "events = lambda x: x - 1",
        "abs = lambda x: 4",
        "len = sum = lambda x: 1",
        "ROW['value'] = 8",
        "ROW.pop('source', None)",
        f"recode({function})",
        f"{function}.__defaults__ = (30,)",
        "states.__defaults__ = (2,)",
        f"LISTENERS.append(lambda v: setattr({node}, 'n', 6))",
        f"LISTENERS.append(lambda v: note('listens', v, peek({node}), {node}.ticked_in))",
        f"BOX['it'] = {node}",
        f"{name}.unit = 5",
        f"{name}.bump = lambda self, d: setattr(self, 'n', 3)",
        f"{name}.double = property(lambda self: note('double', self.x) or 1)",
        f"def get(self): return self.__dict__['n']\ndef put(self, n):\n"
        f"    note('n', n)\n    self.__dict__['n'] = n\n{name}.n = property(get, put)",
        f"{name}.x = Level()\n{name}.x.__set_name__({name}, 'x')",
        f"{cycle}\nrecode({name}.cycle, cycle)\ndel cycle",
        f"{cycle}\n{name}.cycle = cycle\ndel cycle",
        f"{node}.bump = lambda d: note('own bump', d)",
        f"{node}.unit = 8",
        f"{node}.n = {node}.value = 30",
        f"{node}.__class__ = type({name!r}, ({name},), {{'unit': 9}})",
    ]
    if "k" in shape.parameters:
        forms += [f"{node}.k = 4", f"{node}.k = MISSING"] * 2
    if "f" in shape.parameters:
        forms += [
            f"{node}.f = lambda v: v * 2",
            f"recode({node}.f)",
        ]
    if "many" in shape.inputs:
        forms += [f"{node}.c.reverse()", f"{node}.c.append({node}.c[0])"] * 2
    text = str(picks.of(forms))
    # A place that is not of the class has none of its attributes.
    return text if of_class or node not in text else "pass"
