package fakeaws

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (a *Account) serviceCredentialOperations() map[string]operation {
	return map[string]operation{
		"CreateServiceSpecificCredential": writeUser(a.createServiceCredential),
		"ListServiceSpecificCredentials":  onUser(a.listServiceCredentials),
		"UpdateServiceSpecificCredential": writeUser(a.updateServiceCredential),
		"DeleteServiceSpecificCredential": writeUser(a.deleteServiceCredential),
	}
}

type serviceCredentialXML struct {
	UserName, ServiceSpecificCredentialId, ServiceName, Status string
	CreateDate                                                 *stamp
	ExpirationDate                                             *stamp `xml:",omitempty"`
	ServiceUserName                                            string `xml:",omitempty"`
	ServicePassword                                            string `xml:",omitempty"`
	ServiceCredentialAlias                                     string `xml:",omitempty"`
	ServiceCredentialSecret                                    string `xml:",omitempty"`
}

// credentialServices are the services that have credentials of their own; true for those whose credential is an API
// key, a bearer token that may expire.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_service-specific-creds.html.
func credentialServices() map[string]bool {
	return map[string]bool{
		"codecommit.amazonaws.com": false, "cassandra.amazonaws.com": false,
		"bedrock.amazonaws.com": true, "logs.amazonaws.com": true, "cloudwatch.amazonaws.com": true, "aws-external-anthropic.amazonaws.com": true,
	}
}

func (a *Account) newServiceCredential(u *user, service string, at time.Time) *serviceCredential {
	c := &serviceCredential{id: a.uniqueID("ACCA"), service: service, status: active, created: at.UTC()}
	if credentialServices()[service] {
		c.alias = u.name + "-" + itoa(len(u.serviceCredentials)+1) + "-at-" + a.id
	} else {
		c.userName = u.name + "-at-" + a.id
		if len(u.serviceCredentials) > 0 {
			c.userName = u.name + "+" + itoa(len(u.serviceCredentials)) + "-at-" + a.id
		}
	}
	u.serviceCredentials = append(u.serviceCredentials, c)
	return c
}

func (c *serviceCredential) xml(u *user) serviceCredentialXML {
	return serviceCredentialXML{
		UserName: u.name, ServiceSpecificCredentialId: c.id, ServiceName: c.service, Status: c.status, CreateDate: stampOf(c.created),
		ExpirationDate: stampOf(c.expires), ServiceUserName: c.userName, ServiceCredentialAlias: c.alias,
	}
}

func (a *Account) createServiceCredential(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	service := r.get("ServiceName")
	bearer, ok := credentialServices()[service]
	if !ok {
		return nil, refuse(http.StatusNotFound, "NotSupportedService", "The specified service %s does not support service-specific credentials.", service)
	}
	n := 0
	for _, c := range u.serviceCredentials {
		if c.service == service {
			n++
		}
	}
	if n >= maxServiceKeys {
		return nil, exceeded("ServiceSpecificCredentialsPerUser", maxServiceKeys)
	}
	var expires time.Time
	if text := r.get("CredentialAgeDays"); text != "" {
		days, err := strconv.Atoi(text)
		if err != nil || days < 1 || days > 36600 || !bearer {
			return nil, refusedValue("credentialAgeDays", text, "Member must have value less than or equal to 36600")
		}
		expires = a.now().AddDate(0, 0, days)
	}
	c := a.newServiceCredential(u, service, a.now())
	c.expires = expires
	x := c.xml(u)
	if bearer {
		x.ServiceCredentialSecret = a.secret() + a.secret()
	} else {
		x.ServicePassword = a.secret() + "="
	}
	return struct{ ServiceSpecificCredential serviceCredentialXML }{x}, nil
}

// listServiceCredentials answers for one user, or with AllUsers for the whole account, in pages.
func (a *Account) listServiceCredentials(r *request) (any, error) {
	s := a.view()
	var users []*user
	if r.get("AllUsers") == "true" {
		if r.get("UserName") != "" {
			return nil, refuse(http.StatusBadRequest, "InvalidInput", "UserName cannot be specified together with AllUsers.")
		}
		for _, name := range s.userNames() {
			users = append(users, s.users[name])
		}
	} else {
		u, e := r.namedOrCaller(s)
		if e != nil {
			return nil, e
		}
		users = append(users, u)
	}
	service := r.get("ServiceName")
	var all []serviceCredentialXML
	for _, u := range users {
		for _, c := range u.serviceCredentials {
			if service == "" || service == c.service {
				all = append(all, c.xml(u))
			}
		}
	}
	slices.SortFunc(all, func(x, y serviceCredentialXML) int {
		return strings.Compare(x.ServiceSpecificCredentialId, y.ServiceSpecificCredentialId)
	})
	page, cut, e := paged(r, all, func(c serviceCredentialXML) string { return c.ServiceSpecificCredentialId })
	if e != nil {
		return nil, e
	}
	return struct {
		ServiceSpecificCredentials list[serviceCredentialXML]
		cutXML
	}{listOf(page), cut}, nil
}

func (r *request) serviceCredential() (*user, *serviceCredential, *apiError) {
	u, e := r.namedOrCaller(r.account.state.iam)
	if e != nil {
		return nil, nil, e
	}
	id := r.get("ServiceSpecificCredentialId")
	for _, c := range u.serviceCredentials {
		if c.id == id {
			return u, c, nil
		}
	}
	return nil, nil, noSuch("No such credential %s exists", id)
}

func (a *Account) updateServiceCredential(r *request) (any, error) {
	_, c, e := r.serviceCredential()
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

func (a *Account) deleteServiceCredential(r *request) (any, error) {
	u, c, e := r.serviceCredential()
	if e != nil {
		return nil, e
	}
	u.serviceCredentials = slices.DeleteFunc(u.serviceCredentials, func(other *serviceCredential) bool { return other == c })
	return nil, nil
}
