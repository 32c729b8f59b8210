"""As much of a terminal as limpid and libedit use (TERM=xterm): what would be seen, from the bytes that were written.
Lines that the terminal wrapped are joined and wrapped anew when the window changes, as most terminals do today."""
import codecs
import re
import unicodedata

ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[=>78()][B0]?)")


def width(c):
    if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


class Screen:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines = [[]]  # of the whole session; the window is the last `rows` of them
        self.wrapped = [False]  # by line: goes on in the next one
        self.row = self.column = 0  # row: index into lines
        self.insert = False
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.rest = ""
        self.unknown = set()

    def text(self):
        return "\n".join("".join(c for c in line if c).rstrip() for line in self.lines)

    def line(self, row=None):
        return "".join(c for c in self.lines[self.row if row is None else row] if c).rstrip()

    def top(self):
        return max(0, len(self.lines) - self.rows)

    def feed(self, data):
        text = self.rest + self.decode(data)
        self.rest = ""
        at = 0
        while at < len(text):
            c = text[at]
            if c == "\x1b":
                match = ESCAPE.match(text, at)
                if not match:
                    self.rest = text[at:]
                    if len(self.rest) > 30:
                        raise ValueError(f"no escape sequence: {self.rest!r}")
                    return
                self.escape(match.group(1))
                at = match.end()
                continue
            at += 1
            if c == "\r":
                self.column = 0
            elif c == "\n":
                self.down()
            elif c == "\b":
                self.column = max(0, min(self.column, self.columns - 1) - 1)
            elif c == "\t":
                self.column = min((self.column // 8 + 1) * 8, self.columns - 1)
            elif c >= " " and c != "\x7f":
                self.put(c)

    def down(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])
            self.wrapped.append(False)

    def put(self, c):
        w = width(c)
        if w == 0:
            return
        if self.column + w > self.columns:
            self.wrapped[self.row] = True
            self.column = 0
            self.down()
        line = self.lines[self.row]
        line += [" "] * (self.column - len(line))
        cells = [c] + [""] * (w - 1)
        if self.insert:
            line[self.column:self.column] = cells
            del line[self.columns:]
        else:
            line[self.column:self.column + w] = cells
        self.column += w

    def escape(self, code):
        if code[0] != "[":
            return
        final, numbers = code[-1], [int(n) if n.isdigit() else 0 for n in code[1:-1].lstrip("?").split(";")]
        n = max(numbers[0], 1)
        line = self.lines[self.row]
        self.column = min(self.column, self.columns - 1) if final not in "mhl" else self.column
        if final == "A":
            self.row = max(self.top(), self.row - n)
        elif final == "B":
            self.row = min(len(self.lines) - 1, self.row + n)
        elif final == "C":
            self.column = min(self.columns - 1, self.column + n)
        elif final == "D":
            self.column = max(0, self.column - n)
        elif final == "G":
            self.column = n - 1
        elif final == "K" and numbers[0] == 0:
            del line[self.column:]
            self.wrapped[self.row] = False
        elif final == "J" and numbers[0] == 0:
            del line[self.column:]
            del self.lines[self.row + 1:], self.wrapped[self.row + 1:]
            self.wrapped[self.row] = False
        elif final == "P":
            del line[self.column:self.column + n]
        elif final == "@":
            line[self.column:self.column] = [" "] * n
            del line[self.columns:]
        elif final == "h" and code == "[4h":
            self.insert = True
        elif final == "l" and code == "[4l":
            self.insert = False
        elif final not in "mhl":
            self.unknown.add(code)

    def resize(self, columns, rows):
        cursor = None  # its line before wrapping, and cells before it
        joined = []
        for i, line in enumerate(self.lines):
            if i == 0 or not self.wrapped[i - 1]:
                joined.append([])
            if i == self.row:
                cursor = (len(joined) - 1, len(joined[-1]) + self.column)
            joined[-1] += line
        self.columns, self.rows = columns, rows
        self.lines, self.wrapped = [], []
        for number, cells in enumerate(joined):
            first = len(self.lines)
            self.lines.append([])
            self.wrapped.append(False)
            starts = [0]
            i = 0
            while i < len(cells):
                w = 2 if i + 1 < len(cells) and cells[i + 1] == "" else 1
                if len(self.lines[-1]) + w > columns:
                    self.wrapped[-1] = True
                    self.lines.append([])
                    self.wrapped.append(False)
                    starts.append(i)
                self.lines[-1] += cells[i:i + w]
                i += w
            if number == cursor[0]:
                part = max(p for p, start in enumerate(starts) if start <= cursor[1])
                self.row, self.column = first + part, min(cursor[1] - starts[part], columns)
