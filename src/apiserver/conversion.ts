import type { KubeObject } from '../api/types.ts';
import type { Target } from './route.ts';

/** Where the store keeps what the request names, under the rules of its stored version. */
export function storedTarget(target: Target): Target {
  const { conversion } = target.resource;
  return conversion ? { ...target, resource: conversion.stored } : target;
}

/** An object of the request's version in the stored one. */
export function toStored({ resource }: Target, object: KubeObject): KubeObject {
  return resource.conversion?.toStored(object) ?? object;
}

/** The stored object in the request's version. */
export function fromStored({ resource }: Target, object: KubeObject): KubeObject {
  return resource.conversion?.fromStored(object) ?? object;
}
