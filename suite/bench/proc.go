package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is what Linux counts CPU time in, on every machine that Go runs on.
const ticksPerSecond = 100

// cpuOf sums user and system time of processes and the children they waited for.
func cpuOf(processes map[string][]int) map[string]time.Duration {
	used := map[string]time.Duration{}
	for name, pids := range processes {
		all := map[int]bool{}
		for _, pid := range pids {
			all[pid] = true
			for _, child := range children(pid) {
				all[child] = true
			}
		}
		for pid := range all {
			used[name] += cpu(pid)
		}
	}
	return used
}

func cpu(pid int) time.Duration {
	fields := statFields(pid)
	if len(fields) < 15 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// statFields are the fields of /proc/PID/stat behind the name: state, ppid, ...
func statFields(pid int) []string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(after)
}

func children(pid int) (found []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		child, _ := strconv.Atoi(filepath.Base(d))
		if fields := statFields(child); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			found = append(found, child)
		}
	}
	return found
}

// family are the processes of a program that was started on a directory.
func family(dir, program string) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		cmdline, _ := os.ReadFile(filepath.Join(d, "cmdline"))
		cwd, _ := os.Readlink(filepath.Join(d, "cwd"))
		if strings.Contains(string(cmdline), program) && (strings.Contains(string(cmdline), dir) || strings.HasPrefix(cwd, dir)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// resident is how much memory a process holds now, in bytes.
func resident(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
