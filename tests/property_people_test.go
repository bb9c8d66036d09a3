package tests

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// inAccount says that it is done to the account, and not to the product.
func (h happening) inAccount() bool {
	return slices.Contains([]string{
		"use key", "use session", "sign in", "keep tag", "new key", "key off", "key deleted", "new group", "deny off", "new policy", "renamed", "name reused", "deleted", "path moved",
	}, h.What)
}

// happens has somebody do something now.
func (w *trial) happens(h happening) {
	user, now, ctx := w.users[h.User], w.clock.Now(), context.Background()
	if h.inAccount() {
		w.inAccount(h, user, now)
		return
	}
	w.mu.Lock()
	w.saw["person: "+h.What]++
	w.mu.Unlock()
	switch h.What {
	case "region closed":
		reopen := w.account.CloseRegion("eu-central-1")
		w.mu.Lock()
		i := len(w.denied)
		w.denied = append(w.denied, span{now, now.Add(365 * day)})
		w.mu.Unlock()
		w.clock.AfterFunc(now.Add(time.Duration(1+7*h.Arg)*time.Hour), func() {
			reopen()
			w.mu.Lock()
			w.denied[i].to = w.clock.Now()
			w.mu.Unlock()
		})
	case "rescue":
		_ = w.rescue(ctx, user.ID, "owner@example.com", "it is mine") // whatever comes of it is noted there
	case "pause":
		was, err := w.machine.Pause(ctx, "operator", "an incident")
		if err != nil || was != "" {
			return
		}
		w.mu.Lock()
		i := len(w.paused)
		w.paused = append(w.paused, span{w.clock.Now(), now.Add(365 * day)})
		w.mu.Unlock()
		w.clock.AfterFunc(now.Add(time.Duration(1+5*h.Arg)*time.Hour), func() {
			if _, err := w.machine.Resume(ctx, "operator", "it is over"); err != nil {
				w.t.Errorf("ending the pause: %v", err)
			}
			w.mu.Lock()
			w.paused[i].to = w.clock.Now()
			w.mu.Unlock()
		})
	case "exempt":
		w.set(func(s *sunset.Settings) {
			s.Exemptions = append(s.Exemptions, sunset.Exemption{Name: user.Name, Reason: "needed after all"})
		})
	case "approver leaves":
		w.set(func(s *sunset.Settings) {
			s.Approvers = s.Approvers[:max(0, len(s.Approvers)-1)]
			s.ApprovalsNeeded = max(1, min(s.ApprovalsNeeded, len(s.Approvers)))
		})
	case "longer soak":
		w.set(func(s *sunset.Settings) { s.Soak += sunset.Duration(time.Duration(1+3*h.Arg) * time.Hour) })
	case "more approvals":
		w.set(func(s *sunset.Settings) { s.ApprovalsNeeded = len(s.Approvers) })
	case "new window":
		w.set(func(s *sunset.Settings) { s.Windows = []sunset.Window{{From: "11:00", To: "19:00"}} })
	case "stop execution":
		w.stopAndRedrive(user.ID, time.Duration(2+3*h.Arg)*time.Hour)
	case "forged token":
		for _, token := range w.stolenTokens() {
			// Tokens that were answered before are refused.
			_, _ = w.machine.Executions.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"choice":"delete"}`)})
		}
	case "stop cleanup":
		_, _ = w.machine.StopCleanup(ctx, workflow.Stop{CleanupID: cleanup, By: "operator", Reason: "wrong account", Rescue: w.rescue}) // as far as it got
	}
}

// rescue asks for a user, and notes whether it was promised.
func (w *trial) rescue(ctx context.Context, userID, by, reason string) error {
	err := w.machine.Rescue(ctx, userID, by, reason)
	stored := err == nil || sunset.KindOf(err) == sunset.NotReady
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rescues = append(w.rescues, rescued{w.next(), w.clock.Now(), userID, stored})
	if stored {
		w.saw["rescue stored"]++
	}
	return err
}

// stopAndRedrive ends the execution of a user's case from outside, and has it go on some hours later.
func (w *trial) stopAndRedrive(userID string, later time.Duration) {
	ctx := context.Background()
	c, err := w.machine.Cases.Get(ctx, userID)
	if err != nil || c.Execution == "" {
		return
	}
	if _, err := w.machine.Executions.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &c.Execution}); err != nil {
		return // it has ended
	}
	w.mu.Lock()
	w.saw["execution stopped"]++
	w.mu.Unlock()
	w.clock.AfterFunc(w.clock.Now().Add(later), func() {
		// One that was not stopped after all can't be redriven.
		_, _ = w.machine.Executions.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: &c.Execution})
	})
}

// inAccount does something to a user, or with it. What people changed they would have back.
func (w *trial) inAccount(h happening, user fakeaws.NewUser, now time.Time) {
	var session fakeaws.Credentials
	name, there := w.nameNow(user.ID)
	if !there {
		return
	}
	if h.What == "use session" {
		session, _ = w.account.NewUserSession(name, 12*time.Hour)
	}
	w.account.At(now, func(p *fakeaws.Actor) {
		admin := func(action string, params ...string) bool {
			v := url.Values{"UserName": {name}}
			for i := 0; i+1 < len(params); i += 2 {
				v.Set(params[i], params[i+1])
			}
			return p.AsAdministrator(action, v) == ""
		}
		key := ""
		if len(user.Keys) > 0 {
			key = user.Keys[h.Arg%len(user.Keys)].AccessKeyID
		}
		was, done := w.was[user.ID], false
		if was == nil {
			return
		}
		had := func(list []string, item string) bool { return slices.Contains(list, item) }
		switch h.What {
		case "use key":
			if done = key != ""; done {
				p.Do(key, "s3", "ListBuckets", "eu-central-1", nil)
			}
		case "use session":
			p.Do(session.AccessKeyID, "ec2", "DescribeInstances", "us-east-1", nil)
			done = true
		case "sign in":
			done = p.SignIn(name, "us-east-1") == ""
		case "keep tag":
			if done = admin("TagUser", "Tags.member.1.Key", sunset.TagKeep, "Tags.member.1.Value", "please"); done {
				was.Tags[sunset.TagKeep] = "please"
			}
		case "new key":
			done = admin("CreateAccessKey")
		case "key off":
			// One that is off already, or that a deactivation has switched off, stays as it is.
			on := slices.ContainsFunc(was.Keys, func(k fakeaws.KeyState) bool { return k.ID == key && k.Status == "Active" })
			if done = on && w.is.Settings.Disable == sunset.ByQuarantine && admin("UpdateAccessKey", "AccessKeyId", key, "Status", "Inactive"); done {
				was.Keys = slices.Clone(was.Keys)
				for i := range was.Keys {
					if was.Keys[i].ID == key {
						was.Keys[i].Status = "Inactive"
					}
				}
			}
		case "key deleted":
			if done = key != "" && admin("DeleteAccessKey", "AccessKeyId", key); done {
				was.Keys = slices.DeleteFunc(slices.Clone(was.Keys), func(k fakeaws.KeyState) bool { return k.ID == key })
			}
		case "new group":
			p.AsAdministrator("CreateGroup", url.Values{"GroupName": {"admins"}})
			if done = !had(was.Groups, "admins") && admin("AddUserToGroup", "GroupName", "admins"); done {
				was.Groups = append(slices.Clone(was.Groups), "admins")
				slices.Sort(was.Groups)
			}
		case "deny off":
			done = admin("DeleteUserPolicy", "PolicyName", sunset.DenyPolicyName)
		case "new policy":
			if done = !had(was.Attached, billing) && admin("AttachUserPolicy", "PolicyArn", billing); done {
				was.Attached = append(slices.Clone(was.Attached), billing)
			}
		case "renamed":
			if done = admin("UpdateUser", "NewUserName", name+"-renamed"); done {
				was.Name = name + "-renamed"
			}
		case "path moved":
			if done = was.Path != "/moved/" && admin("UpdateUser", "NewPath", "/moved/"); done {
				was.Path = "/moved/"
			}
		case "deleted", "name reused":
			if done = w.deletedByHand(p, user.ID, name); !done {
				w.was[user.ID] = nil // half of it is gone by hand
			} else if h.What == "name reused" {
				admin("CreateUser")
			}
		}
		if done {
			w.mu.Lock()
			w.deeds = append(w.deeds, act{w.next(), p.Now(), h.What, user.ID})
			w.saw["person: "+h.What]++
			w.mu.Unlock()
		}
	})
	w.account.User(name) // the account catches up with it now
}

// nameNow is what the user with the id is called at this moment.
func (w *trial) nameNow(id string) (string, bool) {
	for _, u := range w.account.Users() {
		if u.ID == id {
			return u.Name, true
		}
	}
	return "", false
}

// deletedByHand has an administrator delete a user with whatever a console would: all that the snapshot of the moment has.
func (w *trial) deletedByHand(p *fakeaws.Actor, id, name string) bool {
	call := func(action string, params ...string) string {
		v := url.Values{"UserName": {name}}
		for i := 0; i+1 < len(params); i += 2 {
			v.Set(params[i], params[i+1])
		}
		return p.AsAdministrator(action, v)
	}
	// Whatever isn't there is refused, and nothing is lost by asking.
	was := w.first[id]
	call("DeleteLoginProfile")
	for _, k := range was.Keys {
		call("DeleteAccessKey", "AccessKeyId", k.ID)
	}
	for _, k := range was.SSHKeys {
		call("DeleteSSHPublicKey", "SSHPublicKeyId", k.ID)
	}
	for _, c := range was.Certificates {
		call("DeleteSigningCertificate", "CertificateId", c.ID)
	}
	for _, c := range was.ServiceCredentials {
		call("DeleteServiceSpecificCredential", "ServiceSpecificCredentialId", c.ID)
	}
	for _, serial := range was.MFA {
		call("DeactivateMFADevice", "SerialNumber", serial)
	}
	for _, policy := range slices.Sorted(maps.Keys(was.Inline)) {
		call("DeleteUserPolicy", "PolicyName", policy)
	}
	call("DeleteUserPolicy", "PolicyName", sunset.DenyPolicyName)
	for _, arn := range append(slices.Clone(was.Attached), sunset.ManagedDenyARN, billing) {
		call("DetachUserPolicy", "PolicyArn", arn)
	}
	for _, group := range append(slices.Clone(was.Groups), "admins") {
		call("RemoveUserFromGroup", "GroupName", group)
	}
	return call("DeleteUser") == ""
}
