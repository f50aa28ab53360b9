package locks

import (
	"fmt"
	"io"
	"time"

	"github.com/tidemark/tidemark/kit/auth/ca"
)

// Certs are the commands about certificates.
type Certs struct {
	Init  certsInit  `cmd:"" help:"Make an authority in a folder, unless it is there."`
	Issue certsIssue `cmd:"" help:"Make a certificate for a service, good for 90 days to serve and to call, unless a good one is there."`
}

type certsInit struct {
	Dir string `help:"Folder of the authority." default:"certs" type:"path"`
}

// Run makes the authority.
func (c *certsInit) Run(out io.Writer) error {
	done, err := ca.Init(c.Dir, time.Now())
	if err != nil {
		return err
	}
	crt, key := ca.Paths(c.Dir, "ca")
	_, _ = fmt.Fprintf(out, "%s: authority %s, good until %s; give %s to everybody, %s to nobody\n", done.Done, crt, done.Cert.NotAfter.UTC().Format(time.DateOnly), crt, key)
	return nil
}

type certsIssue struct {
	Name  string   `arg:"" help:"The service: scheduler, parser or watermark. It is the certificate's common name, and one of its hosts."`
	Dir   string   `help:"Folder of the authority." default:"certs" type:"path"`
	Host  []string `help:"More host names and IP addresses that it serves on." placeholder:"NAME,IP"`
	Renew bool     `help:"Replace it when less than 30 days are left, or when it is not good for a host. Services take it without a restart."`
}

// Run makes the certificate.
func (c *certsIssue) Run(out io.Writer) error {
	done, err := ca.Issue(c.Dir, c.Name, c.Host, c.Renew, time.Now())
	if err != nil {
		return err
	}
	crt, key := ca.Paths(c.Dir, c.Name)
	_, _ = fmt.Fprintf(out, "%s: %s and %s, good until %s\n", done.Done, crt, key, done.Cert.NotAfter.UTC().Format(time.DateOnly))
	return nil
}
