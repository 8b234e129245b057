package report

import (
	"strings"
	"unicode/utf8"
)

// column is one of a table's; those with a greater drop go first where the
// terminal is narrow, and one with 0 never.
type column struct {
	head string
	drop int
	left bool // flush left
}

// tableRow has a cell for each column, of one or more lines; or, if it has a
// span, nothing but that, over all columns.
type tableRow struct {
	span  string
	cells []string
}

// table is a table of a terminal's text.
type table struct {
	columns []column
	rows    []tableRow
}

// fit drops columns until the table is no wider than a width, or nothing is
// left to drop.
func (tb table) fit(width int) table {
	for {
		if _, total := tb.widths(); total <= width {
			return tb
		}
		last := 0
		for i, c := range tb.columns {
			if c.drop > tb.columns[last].drop {
				last = i
			}
		}
		if tb.columns[last].drop == 0 {
			return tb
		}
		tb = tb.without(last)
	}
}

func (tb table) without(i int) table {
	out := table{columns: append(tb.columns[:i:i], tb.columns[i+1:]...)}
	for _, r := range tb.rows {
		if r.span == "" {
			r.cells = append(r.cells[:i:i], r.cells[i+1:]...)
		}
		out.rows = append(out.rows, r)
	}
	return out
}

// widths are the columns' and, with two spaces between them, the table's.
func (tb table) widths() (each []int, total int) {
	for i, c := range tb.columns {
		w := utf8.RuneCountInString(c.head)
		for _, r := range tb.rows {
			if r.span != "" {
				continue
			}
			for line := range strings.SplitSeq(r.cells[i], "\n") {
				w = max(w, utf8.RuneCountInString(line))
			}
		}
		each = append(each, w)
		total += w + 2
	}
	return each, total - 2
}

func (t *printer) table(tb table) {
	tb = tb.fit(t.width)
	each, _ := tb.widths()
	write := func(colour string, cells []string) {
		for n, more := 0, true; more; n++ {
			more = false
			var line strings.Builder
			for i, c := range tb.columns {
				lines := strings.Split(cells[i], "\n")
				cell := ""
				if n < len(lines) {
					cell = lines[n]
				}
				more = more || n+1 < len(lines)
				pad := strings.Repeat(" ", each[i]-utf8.RuneCountInString(cell))
				if c.left {
					line.WriteString(cell + pad + "  ")
				} else {
					line.WriteString(pad + cell + "  ")
				}
			}
			shade := colour
			if n > 0 {
				shade = faint
			}
			t.line(t.paint(shade, strings.TrimRight(line.String(), " ")))
		}
	}
	var heads []string
	for _, c := range tb.columns {
		heads = append(heads, c.head)
	}
	write(faint, heads)
	for _, r := range tb.rows {
		if r.span != "" {
			t.line(r.span)
			continue
		}
		write(plain, r.cells)
	}
}
