package run

import (
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// path is a file's name in full.
func path(text string) string {
	if rest, ok := strings.CutPrefix(text, "~"); ok && (rest == "" || rest[0] == '/') {
		if home, err := os.UserHomeDir(); err == nil {
			text = home + rest
		}
	}
	if text == "" || text == "-" {
		return text
	}
	if full, err := filepath.Abs(text); err == nil {
		return full
	}
	return text
}

// decoded is text as a value of a type. Complaints repeat it only when it cannot be a secret's.
func decoded(t reflect.Type, text string) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return v, u.UnmarshalText([]byte(text))
	}
	var err error
	switch {
	case t == reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
	case t.Kind() == reflect.Slice:
		return list(t, text)
	case t.Kind() == reflect.Map:
		return pairs(t, text)
	default:
		err = scalar(v, text)
	}
	if err != nil {
		return v, fmt.Errorf("%q: want %s", text, wanted(t))
	}
	return v, nil
}

func scalar(v reflect.Value, text string) (err error) {
	bits := 0
	if v.CanInt() || v.CanUint() || v.CanFloat() {
		bits = v.Type().Bits()
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		var b bool
		b, err = yes(text)
		v.SetBool(b)
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, bits)
		v.SetInt(n)
	case v.CanUint():
		var n uint64
		n, err = strconv.ParseUint(text, 10, bits)
		v.SetUint(n)
	case v.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(text, bits)
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("a setting cannot be a %s", v.Type())) // a mistake of ours
	}
	return err
}

// yes is strconv.ParseBool that knows yes and no, too.
func yes(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	}
	return strconv.ParseBool(text)
}

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration, as 90s, 5m or 1h30m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		return "a number"
	}
	return "a whole number"
}

// list reads "a,b,c"; "" is none.
func list(t reflect.Type, text string) (reflect.Value, error) {
	all := reflect.MakeSlice(t, 0, 1)
	if text == "" {
		return all, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		v, err := decoded(t.Elem(), part)
		if err != nil {
			return all, err
		}
		all = reflect.Append(all, v)
	}
	return all, nil
}

// pairs reads "a=1;b=2"; "" is none.
func pairs(t reflect.Type, text string) (reflect.Value, error) {
	all := reflect.MakeMap(t)
	for part := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case part == "":
			continue
		case !ok:
			return all, fmt.Errorf("%q: want NAME=VALUE, several of them with ; between", part)
		}
		k, err := decoded(t.Key(), key)
		if err != nil {
			return all, err
		}
		v, err := decoded(t.Elem(), value)
		if err != nil {
			return all, err
		}
		all.SetMapIndex(k, v)
	}
	return all, nil
}
