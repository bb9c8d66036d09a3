package fakeaws

import (
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (a *Account) certificateOperations() map[string]operation {
	return map[string]operation{
		"UploadSigningCertificate": writeUser(a.uploadCertificate),
		"ListSigningCertificates":  onUser(a.listCertificates),
		"UpdateSigningCertificate": writeUser(a.updateCertificate),
		"DeleteSigningCertificate": writeUser(a.deleteCertificate),
	}
}

type certificateXML struct {
	UserName, CertificateId, CertificateBody, Status string
	UploadDate                                       *stamp
}

func (c *certificate) xml(u *user) certificateXML {
	return certificateXML{u.name, c.id, c.body, c.status, stampOf(c.uploaded)}
}

func (a *Account) newCertificate(u *user, body string, at time.Time) *certificate {
	c := &certificate{id: a.letters(idAlphabet, 32), status: active, body: body, uploaded: at.UTC()}
	u.certificates = append(u.certificates, c)
	return c
}

func (a *Account) uploadCertificate(r *request) (any, error) {
	u, e := r.namedOrCaller(a.state.iam)
	if e != nil {
		return nil, e
	}
	body := r.get("CertificateBody")
	if block, _ := pem.Decode([]byte(body)); block == nil || block.Type != "CERTIFICATE" {
		return nil, refuse(http.StatusBadRequest, "MalformedCertificate", "Certificate is malformed.")
	}
	for _, c := range u.certificates {
		if c.body == body {
			return nil, refuse(http.StatusConflict, "DuplicateCertificate", "Certificate is already associated with IAM user %s.", u.name)
		}
	}
	if len(u.certificates) >= maxCertificates {
		return nil, exceeded("SigningCertificatesPerUser", maxCertificates)
	}
	c := a.newCertificate(u, body, a.now())
	return struct{ Certificate certificateXML }{c.xml(u)}, nil
}

func (a *Account) listCertificates(r *request) (any, error) {
	u, e := r.namedOrCaller(a.view())
	if e != nil {
		return nil, e
	}
	all := make([]certificateXML, len(u.certificates))
	for i, c := range u.certificates {
		all[i] = c.xml(u)
	}
	slices.SortFunc(all, func(x, y certificateXML) int { return strings.Compare(x.CertificateId, y.CertificateId) })
	page, cut, e := paged(r, all, func(c certificateXML) string { return c.CertificateId })
	if e != nil {
		return nil, e
	}
	return struct {
		Certificates list[certificateXML]
		cutXML
	}{listOf(page), cut}, nil
}

func (r *request) certificate() (*user, *certificate, *apiError) {
	u, e := r.namedOrCaller(r.account.state.iam)
	if e != nil {
		return nil, nil, e
	}
	id := r.get("CertificateId")
	for _, c := range u.certificates {
		if c.id == id {
			return u, c, nil
		}
	}
	return nil, nil, noSuch("The Certificate with id %s cannot be found.", id)
}

func (a *Account) updateCertificate(r *request) (any, error) {
	_, c, e := r.certificate()
	if e != nil {
		return nil, e
	}
	status, e := r.toggle()
	if e != nil {
		return nil, e
	}
	c.status = status
	return nil, nil
}

func (a *Account) deleteCertificate(r *request) (any, error) {
	u, c, e := r.certificate()
	if e != nil {
		return nil, e
	}
	u.certificates = slices.DeleteFunc(u.certificates, func(other *certificate) bool { return other == c })
	return nil, nil
}
