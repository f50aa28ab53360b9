// Package tracing looks at the whole as somebody does who watches it: three services that send their traces to one collector. A run must be one trace,
// in which everything is that was done for it by whom, and nothing that is said of it may say what was read, or who reads.
//
// There is nothing to import here.
package tracing
