// Command apidoc writes docs/api.md: the contract as a page, from the image that buf makes of it.
//
//	bin/buf build -o - | go run ./suite/cmd/apidoc > docs/api.md
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	authv1 "github.com/tidemark/tidemark/gen/tidemark/auth/v1"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	image, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(image, &set); err != nil {
		return fmt.Errorf("decode the image: %w", err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return fmt.Errorf("link the image: %w", err)
	}
	w := bufio.NewWriter(out)
	p := page{w}
	p.line("# The API\n\nMade from [proto](../proto/tidemark) by `make generate`. Every method says the least scope that a caller needs, and whether it changes anything.")
	for _, f := range set.GetFile() {
		if strings.HasPrefix(f.GetPackage(), "tidemark.") {
			d, err := files.FindFileByPath(f.GetName())
			if err != nil {
				return err
			}
			p.file(d)
		}
	}
	return w.Flush()
}

// page writes Markdown.
type page struct{ w io.Writer }

func (p page) line(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format+"\n", args...) }

func (p page) file(f protoreflect.FileDescriptor) {
	if f.Services().Len()+f.Messages().Len()+f.Enums().Len() == 0 {
		return
	}
	p.line("\n## %s\n\n`%s`", f.Package(), f.Path())
	for i := range f.Services().Len() {
		p.service(f.Services().Get(i))
	}
	for i := range f.Messages().Len() {
		p.message(f.Messages().Get(i))
	}
	for i := range f.Enums().Len() {
		p.enum(f.Enums().Get(i))
	}
}

func (p page) service(s protoreflect.ServiceDescriptor) {
	p.line("\n### %s\n\n%s\n\n| method | request | response | scope | |\n|---|---|---|---|---|", s.Name(), comment(s))
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		answer := link(m.Output())
		if m.IsStreamingServer() {
			answer = "stream of " + answer
		}
		p.line("| **%s** %s | %s | %s | %s | %s |", m.Name(), cell(comment(m)), link(m.Input()), answer, scope(m), effect(m))
	}
}

func scope(m protoreflect.MethodDescriptor) string {
	s, _ := proto.GetExtension(m.Options(), authv1.E_Scope).(authv1.Scope)
	return strings.ToLower(strings.TrimPrefix(s.String(), "SCOPE_"))
}

func effect(m protoreflect.MethodDescriptor) string {
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		return "reads"
	case descriptorpb.MethodOptions_IDEMPOTENT:
		return "safe to repeat"
	}
	return ""
}

func (p page) message(m protoreflect.MessageDescriptor) {
	p.line("\n### %s\n", m.Name())
	if text := comment(m); text != "" {
		p.line("%s\n", text)
	}
	if m.Fields().Len() == 0 {
		p.line("Empty.")
		return
	}
	p.line("| field | type | |\n|---|---|---|")
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		text := comment(f)
		if one := f.ContainingOneof(); one != nil && !one.IsSynthetic() {
			text = strings.TrimSpace("One of `" + string(one.Name()) + "`. " + text)
		}
		p.line("| `%s` = %d | %s | %s |", f.Name(), f.Number(), kind(f), cell(text))
	}
}

func kind(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	switch {
	case f.Message() != nil:
		name = link(f.Message())
	case f.Enum() != nil:
		name = link(f.Enum())
	}
	switch {
	case f.IsList():
		return "list of " + name
	case f.HasOptionalKeyword():
		return "optional " + name
	}
	return name
}

func (p page) enum(e protoreflect.EnumDescriptor) {
	p.line("\n### %s\n\n%s\n\n| value | |\n|---|---|", e.Name(), comment(e))
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		p.line("| `%s` = %d | %s |", v.Name(), v.Number(), cell(comment(v)))
	}
}

// link leads to a type of ours, and only names one that is not.
func link(d protoreflect.Descriptor) string {
	if strings.HasPrefix(string(d.FullName()), "tidemark.") {
		return fmt.Sprintf("[%s](#%s)", d.Name(), strings.ToLower(string(d.Name())))
	}
	return strings.TrimPrefix(string(d.FullName()), "google.protobuf.")
}

func comment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return strings.Join(strings.Fields(text), " ")
}

// cell is text that ends no cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
