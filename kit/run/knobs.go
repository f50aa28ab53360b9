package run

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/tidemark/tidemark/kit/env"
)

// A command is a struct. Its tags say what its fields are:
//
//	cmd:""            a command below this one: a struct with a Run method, or one that groups others
//	arg:""            a positional argument; optional:"" when it may be missing; a slice takes all that follow
//	help:"..."        what it is, for people
//	name:"..."        its name, where the field's in kebab case does not do
//	default:"..."     its value when nobody says one
//	placeholder:"..." what stands for its value in the help
//	enum:"a,b"        the values that it may have
//	required:""       somebody must say it
//	type:"path"       a file: ~ is a home, and it becomes absolute
//	xor:"..."         of those with the same word one may be said
//	short:"x"         its one-letter form
//	prefix:"..."      before the names of the flags in an embedded struct (embed:"" where it is not anonymous)
//
// What is anonymous is part of the struct that it stands in. A Validate() error of a command's struct is asked when all is read.

// knob is a field that a person can set: a flag or an argument.
type knob struct {
	name, variable string
	tag            reflect.StructTag
	target         reflect.Value
	said           bool // by the command line or the environment
}

// node is a command, or a group of them.
type node struct {
	name, help  string
	value       reflect.Value // of its struct, addressable
	flags, args []*knob
	children    []*node
}

// tree reads the tags of a struct and of all below it. It does not touch their values.
func tree(name, prefix string, v reflect.Value) *node {
	n := &node{name: name, value: v}
	n.read(prefix, "", v)
	return n
}

func (n *node) read(prefix, names string, v reflect.Value) {
	for field, value := range v.Fields() {
		_, embedded := field.Tag.Lookup("embed")
		_, command := field.Tag.Lookup("cmd")
		_, arg := field.Tag.Lookup("arg")
		name := field.Tag.Get("name")
		if name == "" {
			name = kebab(field.Name)
		}
		switch {
		case field.Anonymous || embedded:
			n.read(prefix, names+field.Tag.Get("prefix"), value)
		case !field.IsExported():
		case command:
			child := tree(name, prefix, value)
			child.help = field.Tag.Get("help")
			n.children = append(n.children, child)
		case arg:
			n.args = append(n.args, &knob{name: name, tag: field.Tag, target: value})
		default:
			name = names + name
			n.flags = append(n.flags, &knob{name: name, tag: field.Tag, target: value, variable: prefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))})
		}
	}
}

// all are the flags of this command and of those below it.
func (n *node) all() []*knob {
	flags := slices.Clone(n.flags)
	for _, c := range n.children {
		flags = append(flags, c.all()...)
	}
	return flags
}

// settle gives every flag and argument its default.
func (n *node) settle() error {
	for _, k := range slices.Concat(n.flags, n.args) {
		if text, ok := k.tag.Lookup("default"); ok {
			if err := k.set(text); err != nil {
				return fmt.Errorf("default of %s: %w", k.name, err)
			}
		}
	}
	for _, c := range n.children {
		if err := c.settle(); err != nil {
			return err
		}
	}
	return nil
}

// kebab is DataDir as data-dir, DatabaseURL as database-url.
func kebab(name string) string {
	var out []rune
	letters := []rune(name)
	for i, r := range letters {
		word := i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if word {
			out = append(out, '-')
		}
		out = append(out, unicode.ToLower(r))
	}
	return string(out)
}

// set reads text into the field.
func (k *knob) set(text string) error {
	if k.tag.Get("type") == "path" {
		text = path(text)
	}
	v, err := decoded(k.target.Type(), text)
	if err != nil {
		return err
	}
	k.target.Set(v)
	return nil
}

// add is set for what may be said several times.
func (k *knob) add(text string) error {
	if !k.said {
		k.target.SetZero() // what was there is the default
	}
	k.said = true
	before := k.target.Interface()
	if err := k.set(text); err != nil {
		return err
	}
	switch k.target.Kind() {
	case reflect.Slice:
		k.target.Set(reflect.AppendSlice(reflect.ValueOf(before), k.target))
	case reflect.Map:
		for key, value := range reflect.ValueOf(before).Seq2() {
			k.target.SetMapIndex(key, value)
		}
	}
	return nil
}

func (k *knob) secret() bool { return k.target.Type() == reflect.TypeFor[env.Secret]() }

// allowed complains about a value that is none of those that it may have.
func (k *knob) allowed() error {
	choice, ok := k.tag.Lookup("enum")
	if text := fmt.Sprint(k.target.Interface()); ok && !slices.Contains(strings.Split(choice, ","), text) {
		return fmt.Errorf("--%s: %q: want one of %s", k.name, text, strings.ReplaceAll(choice, ",", ", "))
	}
	return nil
}
