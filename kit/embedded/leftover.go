package embedded

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// isPostgres is true when pid is a Postgres on this data directory. Where there is no /proc it cannot be told, and we leave it alone.
func isPostgres(pid int, data string) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(cmdline), "postgres") && strings.Contains(string(cmdline), data)
}

// parentAlive is true when the process still belongs to somebody other than init.
func parentAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, found := strings.Cut(string(stat), ") ") // the name may hold anything, but not behind its last parenthesis
	fields := strings.Fields(after)
	if !found || len(fields) < 2 {
		return false
	}
	parent, err := strconv.Atoi(fields[1])
	return err == nil && parent > 1
}
