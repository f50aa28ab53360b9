package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"

	"github.com/tidemark/tidemark/kit/auth"
)

var errNone = errors.New("there is none")

// load reads a certificate and its key; errNone without a certificate. A key alone is what a crash left in the middle: it will do for the certificate to come.
func load(dir, name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	crt, keyFile := Paths(dir, name)
	certText, certErr := os.ReadFile(crt)
	keyText, keyErr := os.ReadFile(keyFile)
	if errors.Is(certErr, fs.ErrNotExist) && (keyErr == nil || errors.Is(keyErr, fs.ErrNotExist)) {
		return nil, nil, errNone
	}
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, nil, fmt.Errorf("%s and %s belong together: %w", crt, keyFile, err)
	}
	block, _ := pem.Decode(certText)
	if block == nil {
		return nil, nil, fmt.Errorf("%s must hold PEM", crt)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", crt, err)
	}
	key, err := parseKey(keyText)
	if err != nil || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s is not the key of %s", keyFile, crt)
	}
	return cert, key, nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := parsed.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.Join(err, errors.New("no key of ECDSA"))
}

// keyOf is the key of a name, made if there is none. A renewal keeps it: so only one file is replaced, and there is no moment, nor a crash, in which the pair
// does not fit.
func keyOf(file string) (*ecdsa.PrivateKey, error) {
	if text, err := os.ReadFile(file); err == nil { //nolint:gosec // of our own folder
		key, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return key, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return key, auth.Replace(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}

// issue makes a certificate, and a key if there is none; without a parent it signs itself.
func issue(dir, name string, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	crt, keyFile := Paths(dir, name)
	key, err := keyOf(keyFile)
	if err != nil {
		return nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	if err := auth.Replace(crt, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(signed)
}
