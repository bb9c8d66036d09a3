package fakeaws

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (a *Account) mfaOperations() map[string]operation {
	return map[string]operation{
		"CreateVirtualMFADevice": {handle: a.createVirtualMFA, write: true},
		"EnableMFADevice":        writeUser(a.enableMFA),
		"DeactivateMFADevice":    writeUser(a.deactivateMFA),
		"DeleteVirtualMFADevice": {handle: a.deleteVirtualMFA, write: true, resource: func(r *request) string { return r.get("SerialNumber") }},
		"ListMFADevices":         onUser(a.listMFA),
		"ListVirtualMFADevices":  {handle: a.listVirtualMFA},
	}
}

func noMFA(serial string) *apiError {
	return noSuch("VirtualMFADevice with serial number %s doesn't exist.", serial)
}

type virtualMFAXML struct {
	SerialNumber     string
	Base32StringSeed string   `xml:",omitempty"`
	QRCodePNG        string   `xml:",omitempty"`
	User             *userXML `xml:",omitempty"`
	EnableDate       *stamp   `xml:",omitempty"`
}

func (a *Account) createVirtualMFA(r *request) (any, error) {
	name := r.get("VirtualMFADeviceName")
	if e := checkName("virtualMFADeviceName", name, 226); e != nil {
		return nil, e
	}
	path, e := r.path()
	if e != nil {
		return nil, e
	}
	serial := a.arn("iam", "mfa"+path+name)
	r.target = serial
	if a.state.iam.virtual[serial] != nil {
		return nil, exists("MFADevice entity at the same path and name already exists.")
	}
	a.state.iam.virtual[serial] = &mfaDevice{serial: serial}
	seed := base64.StdEncoding.EncodeToString([]byte(a.letters(idAlphabet, 64)))
	return struct{ VirtualMFADevice virtualMFAXML }{virtualMFAXML{SerialNumber: serial, Base32StringSeed: seed, QRCodePNG: seed}}, nil
}

// enableMFA takes any two different codes of six digits for right. A serial that isn't an ARN is a hardware device.
func (a *Account) enableMFA(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	serial := r.get("SerialNumber")
	one, two := r.get("AuthenticationCode1"), r.get("AuthenticationCode2")
	if len(one) != 6 || len(two) != 6 || one == two {
		return nil, refuse(http.StatusForbidden, "InvalidAuthenticationCode", "MFA codes do not match")
	}
	d := a.state.iam.virtual[serial]
	switch {
	case d == nil && strings.HasPrefix(serial, "arn:"):
		return nil, noMFA(serial)
	case d == nil:
		d = &mfaDevice{serial: serial}
	}
	for _, other := range a.state.iam.users {
		for _, taken := range other.mfa {
			if taken.serial == serial {
				return nil, exists("MFA Device is already in use")
			}
		}
	}
	if len(u.mfa) >= maxMFA {
		return nil, exceeded("MFADevicesPerUser", maxMFA)
	}
	d.enabled, d.owner = a.now(), u.name
	u.mfa = append(u.mfa, d)
	return nil, nil
}

func (a *Account) deactivateMFA(r *request) (any, error) {
	u, e := r.namedOrCaller(a.state.iam)
	if e != nil {
		return nil, e
	}
	serial := r.get("SerialNumber")
	if serial == "" {
		return nil, required("serialNumber")
	}
	for n, d := range u.mfa {
		if d.serial == serial {
			u.mfa = slices.Delete(slices.Clone(u.mfa), n, n+1)
			d.owner, d.enabled = "", time.Time{}
			return nil, nil
		}
	}
	return nil, noSuch("MFA device with serial number %s cannot be found for user %s.", serial, u.name)
}

func (a *Account) deleteVirtualMFA(r *request) (any, error) {
	serial := r.get("SerialNumber")
	r.target = serial
	d := a.state.iam.virtual[serial]
	if d == nil {
		return nil, noMFA(serial)
	}
	if d.owner != "" {
		return nil, refuse(http.StatusConflict, "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
	}
	delete(a.state.iam.virtual, serial)
	return nil, nil
}

func (a *Account) listMFA(r *request) (any, error) {
	u, e := r.namedOrCaller(a.view())
	if e != nil {
		return nil, e
	}
	type deviceXML struct {
		UserName, SerialNumber string
		EnableDate             *stamp
	}
	var all []deviceXML
	for _, d := range u.mfa {
		all = append(all, deviceXML{u.name, d.serial, stampOf(d.enabled)})
	}
	slices.SortFunc(all, func(x, y deviceXML) int { return strings.Compare(x.SerialNumber, y.SerialNumber) })
	page, cut, e := paged(r, all, func(d deviceXML) string { return d.SerialNumber })
	if e != nil {
		return nil, e
	}
	return struct {
		MFADevices list[deviceXML]
		cutXML
	}{listOf(page), cut}, nil
}

func (a *Account) listVirtualMFA(r *request) (any, error) {
	s := a.view()
	status := r.get("AssignmentStatus")
	if !slices.Contains([]string{"", "Any", "Assigned", "Unassigned"}, status) {
		return nil, refusedValue("assignmentStatus", status, "Member must satisfy enum value set: [Unassigned, Any, Assigned]")
	}
	var all []virtualMFAXML
	for _, serial := range slices.Sorted(maps.Keys(s.virtual)) {
		d := s.virtual[serial]
		if status == "Assigned" && d.owner == "" || status == "Unassigned" && d.owner != "" {
			continue
		}
		x := virtualMFAXML{SerialNumber: serial}
		if u := s.users[d.owner]; u != nil {
			full := u.xml()
			x.User, x.EnableDate = &full, stampOf(d.enabled)
		}
		all = append(all, x)
	}
	page, cut, e := paged(r, all, func(d virtualMFAXML) string { return d.SerialNumber })
	if e != nil {
		return nil, e
	}
	return struct {
		VirtualMFADevices list[virtualMFAXML]
		cutXML
	}{listOf(page), cut}, nil
}
