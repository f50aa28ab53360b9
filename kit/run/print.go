package run

import (
	"fmt"
	"io"
	"reflect"
)

// PrintConfig writes the effective configuration, a line per setting, secrets hidden. A setting inside a named struct is "Outer.Inner".
func PrintConfig(w io.Writer, config any) {
	printFields(w, "", reflect.Indirect(reflect.ValueOf(config)))
}

func printFields(w io.Writer, prefix string, v reflect.Value) {
	for field, value := range v.Fields() {
		switch {
		case !field.IsExported():
		case field.Anonymous && value.Kind() == reflect.Struct:
			printFields(w, prefix, value)
		case value.Kind() == reflect.Struct && !printsItself(value):
			printFields(w, prefix+field.Name+".", value)
		default:
			_, _ = fmt.Fprintf(w, "%-24s %v\n", prefix+field.Name, value.Interface())
		}
	}
}

func printsItself(v reflect.Value) bool {
	_, ok := v.Interface().(fmt.Stringer)
	return ok
}
