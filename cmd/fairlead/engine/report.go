package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/report"
)

// report is `fairlead report`: prints a stored run, or writes its HTML again.
func (e engine) report(_ context.Context, o command.Report) (int, error) {
	path := o.Path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "report.json")
	}
	r, err := readReport(path)
	if errors.Is(err, fs.ErrNotExist) {
		return command.ExitBadInput, fmt.Errorf("%s holds no report.json: give the folder of one run, such as results/runs/<run>", o.Path)
	}
	if err != nil {
		return command.ExitBadInput, err
	}
	if o.JSON {
		b, err := os.ReadFile(path)
		if err != nil {
			return command.ExitFailed, err
		}
		_, err = e.Out.Write(b)
		return command.ExitDone, err
	}
	if o.HTML {
		page, err := report.HTML(r)
		if err != nil {
			return command.ExitFailed, err
		}
		to := filepath.Join(filepath.Dir(path), "report.html")
		if err := os.WriteFile(to, page, 0o644); err != nil {
			return command.ExitFailed, err
		}
		_, err = fmt.Fprintln(e.Out, to)
		return command.ExitDone, err
	}
	color := e.terminal(os.Stdout) && os.Getenv("NO_COLOR") == ""
	if _, err := io.WriteString(e.Out, report.Text(r, columns(os.Stdout), color)); err != nil {
		return command.ExitFailed, err
	}
	page := filepath.Join(filepath.Dir(path), "report.html")
	if _, err := os.Stat(page); err == nil {
		fmt.Fprintf(e.Out, "Report: %s\n", relative(page))
	}
	return command.ExitDone, nil
}
