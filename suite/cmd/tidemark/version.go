package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/tidemark/tidemark/kit/run"
)

type versionCmd struct{}

// Run says which build this is.
func (versionCmd) Run(out io.Writer) error {
	_, _ = fmt.Fprintf(out, "tidemark %s %s %s/%s\n", run.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
