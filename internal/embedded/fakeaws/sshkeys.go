package fakeaws

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (a *Account) sshOperations() map[string]operation {
	return map[string]operation{
		"UploadSSHPublicKey": writeUser(a.uploadSSHKey),
		"ListSSHPublicKeys":  onUser(a.listSSHKeys),
		"GetSSHPublicKey":    onUser(a.getSSHKey),
		"UpdateSSHPublicKey": writeUser(a.updateSSHKey),
		"DeleteSSHPublicKey": writeUser(a.deleteSSHKey),
	}
}

type sshKeyXML struct {
	UserName, SSHPublicKeyId string
	Fingerprint              string `xml:",omitempty"`
	SSHPublicKeyBody         string `xml:",omitempty"`
	Status                   string
	UploadDate               *stamp
}

type sshKeyResult struct{ SSHPublicKey sshKeyXML }

// newSSHKey computes the fingerprint as IAM shows it: MD5 of the decoded key, in pairs.
func (a *Account) newSSHKey(u *user, body string, at time.Time) *sshKey {
	var data []byte
	if fields := strings.Fields(body); len(fields) > 1 {
		// What doesn't decode was written by AddUser, whose keys nobody signs with.
		data, _ = base64.StdEncoding.DecodeString(fields[1])
	}
	sum := md5.Sum(data)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02x", b)
	}
	k := &sshKey{id: a.keyID("APKA"), status: active, body: body, fingerprint: strings.Join(pairs, ":"), uploaded: at.UTC()}
	u.sshKeys = append(u.sshKeys, k)
	return k
}

func (a *Account) uploadSSHKey(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	body := strings.TrimSpace(r.get("SSHPublicKeyBody"))
	fields := strings.Fields(body)
	if len(fields) < 2 || fields[0] != "ssh-rsa" {
		return nil, refuse(http.StatusBadRequest, "UnrecognizedPublicKeyEncoding", "The public key encoding format is unsupported or unrecognized.")
	}
	if _, err := base64.StdEncoding.DecodeString(fields[1]); err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidPublicKey", "The public key is malformed or otherwise invalid.")
	}
	for _, k := range u.sshKeys {
		if strings.HasPrefix(k.body, fields[0]+" "+fields[1]) {
			return nil, refuse(http.StatusBadRequest, "DuplicateSSHPublicKey", "SSH public key is already associated with IAM user %s.", u.name)
		}
	}
	if len(u.sshKeys) >= maxSSHKeys {
		return nil, exceeded("SSHPublicKeysPerUser", maxSSHKeys)
	}
	k := a.newSSHKey(u, body, a.now())
	return sshKeyResult{k.xml(u, true)}, nil
}

func (k *sshKey) xml(u *user, full bool) sshKeyXML {
	x := sshKeyXML{UserName: u.name, SSHPublicKeyId: k.id, Status: k.status, UploadDate: stampOf(k.uploaded)}
	if full {
		x.Fingerprint, x.SSHPublicKeyBody = k.fingerprint, k.body
	}
	return x
}

func (a *Account) listSSHKeys(r *request) (any, error) {
	u, e := r.namedOrCaller(a.view())
	if e != nil {
		return nil, e
	}
	keys := make([]sshKeyXML, len(u.sshKeys))
	for i, k := range u.sshKeys {
		keys[i] = k.xml(u, false)
	}
	slices.SortFunc(keys, func(x, y sshKeyXML) int { return strings.Compare(x.SSHPublicKeyId, y.SSHPublicKeyId) })
	page, cut, e := paged(r, keys, func(k sshKeyXML) string { return k.SSHPublicKeyId })
	if e != nil {
		return nil, e
	}
	return struct {
		SSHPublicKeys list[sshKeyXML]
		cutXML
	}{listOf(page), cut}, nil
}

func (r *request) sshKey(s *iamState) (*user, *sshKey, *apiError) {
	u, e := r.named(s)
	if e != nil {
		return nil, nil, e
	}
	id := r.get("SSHPublicKeyId")
	for _, k := range u.sshKeys {
		if k.id == id {
			return u, k, nil
		}
	}
	return nil, nil, noSuch("The Public Key with id %s cannot be found.", id)
}

func (a *Account) getSSHKey(r *request) (any, error) {
	u, k, e := r.sshKey(a.view())
	if e != nil {
		return nil, e
	}
	if enc := r.get("Encoding"); enc != "SSH" && enc != "PEM" {
		return nil, refusedValue("encoding", enc, "Member must satisfy enum value set: [SSH, PEM]")
	}
	return sshKeyResult{k.xml(u, true)}, nil
}

func (a *Account) updateSSHKey(r *request) (any, error) {
	_, k, e := r.sshKey(a.state.iam)
	if e != nil {
		return nil, e
	}
	status, e := r.toggle()
	if e != nil {
		return nil, e
	}
	k.status = status
	return nil, nil
}

func (a *Account) deleteSSHKey(r *request) (any, error) {
	u, k, e := r.sshKey(a.state.iam)
	if e != nil {
		return nil, e
	}
	u.sshKeys = slices.DeleteFunc(u.sshKeys, func(other *sshKey) bool { return other == k })
	return nil, nil
}
