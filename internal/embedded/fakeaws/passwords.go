package fakeaws

import "net/http"

func (a *Account) passwordOperations() map[string]operation {
	return map[string]operation{
		"CreateLoginProfile": writeUser(a.createLoginProfile),
		"GetLoginProfile":    onUser(a.getLoginProfile),
		"UpdateLoginProfile": writeUser(a.updateLoginProfile),
		"DeleteLoginProfile": writeUser(a.deleteLoginProfile),
	}
}

type loginProfileXML struct {
	UserName              string
	CreateDate            *stamp
	PasswordResetRequired bool
}

type loginProfileResult struct{ LoginProfile loginProfileXML }

func noLoginProfile(name string) *apiError {
	return noSuch("Login Profile for User %s cannot be found.", name)
}

// checkPassword judges by the default password policy: eight characters of three kinds.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html.
func checkPassword(text string) *apiError {
	kinds := map[string]bool{}
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z':
			kinds["lower"] = true
		case c >= 'A' && c <= 'Z':
			kinds["upper"] = true
		case c >= '0' && c <= '9':
			kinds["digit"] = true
		default:
			kinds["symbol"] = true
		}
	}
	switch {
	case len(text) < 8:
		return refuse(http.StatusBadRequest, "PasswordPolicyViolation", "Password should have a minimum length of 8")
	case len(kinds) < 3:
		return refuse(http.StatusBadRequest, "PasswordPolicyViolation", "Password should have at least three of: uppercase letters, lowercase letters, numbers, symbols")
	}
	return nil
}

func (a *Account) createLoginProfile(r *request) (any, error) {
	u, e := r.namedOrCaller(a.state.iam)
	if e != nil {
		return nil, e
	}
	if u.password != nil {
		return nil, exists("Login Profile for User %s already exists.", u.name)
	}
	if e := checkPassword(r.get("Password")); e != nil {
		return nil, e
	}
	u.password = &password{created: a.now(), resetRequired: r.get("PasswordResetRequired") == "true"}
	return loginProfileResult{u.profileXML()}, nil
}

func (u *user) profileXML() loginProfileXML {
	return loginProfileXML{u.name, stampOf(u.password.created), u.password.resetRequired}
}

func (a *Account) getLoginProfile(r *request) (any, error) {
	u, e := r.namedOrCaller(a.view())
	if e != nil {
		return nil, e
	}
	if u.password == nil {
		return nil, noLoginProfile(u.name)
	}
	return loginProfileResult{u.profileXML()}, nil
}

func (a *Account) updateLoginProfile(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	if u.password == nil {
		return nil, noLoginProfile(u.name)
	}
	changed := *u.password
	if text := r.get("Password"); text != "" {
		if e := checkPassword(text); e != nil {
			return nil, e
		}
		changed.created = a.now()
	}
	if r.has("PasswordResetRequired") {
		changed.resetRequired = r.get("PasswordResetRequired") == "true"
	}
	u.password = &changed
	return nil, nil
}

func (a *Account) deleteLoginProfile(r *request) (any, error) {
	u, e := r.namedOrCaller(a.state.iam)
	if e != nil {
		return nil, e
	}
	if u.password == nil {
		return nil, noLoginProfile(u.name)
	}
	u.password = nil
	return nil, nil
}
