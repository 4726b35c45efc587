package query

type syntax struct{}
